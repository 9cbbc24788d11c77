"Work that learners hand in for project 4: right solutions in two styles, and wrong ones, as code in the starter's gaps."
from work import Work

# GRUs, packed sentences, one word at a time.
PACKED = dict(
    make_table="""
def make_table(sentences):
    words = ['<pad>', '<start>', '<end>', '<unk>', *sorted({w for s in sentences for w in s})]
    number_of = {w: k for k, w in enumerate(words)}
    return number_of, {k: w for w, k in number_of.items()}
exercise('P4.1', make_table)""",
    make_batch="""
def pad(rows): return nn.utils.rnn.pad_sequence([torch.tensor(r) for r in rows], batch_first=True)
def make_batch(sources, targets):
    return pad(sources), pad([[1, *t] for t in targets]), pad([[*t, 2] for t in targets])
exercise('P4.2', make_batch)""",
    attention="""
def attention(queries, keys, values, mask):
    scores = queries @ keys.transpose(1, 2)/math.sqrt(keys.shape[-1])
    shares = scores.masked_fill(~mask[:, None], -math.inf).softmax(-1)
    return shares @ values, shares
exercise('P4.3', attention)""",
    Translator="""
class Translator(nn.Module):
    def __init__(self, n_source, n_target, d=64, size=128):
        super().__init__()
        self.words, self.said = nn.Embedding(n_source, d), nn.Embedding(n_target, d)
        self.reads = nn.GRU(d, size//2, batch_first=True, bidirectional=True)
        self.writes, self.ask = nn.GRU(d, size, batch_first=True), nn.Linear(size, size)
        self.mix, self.out = nn.Linear(2*size, d), nn.Linear(d, n_target)
        for table in (self.words, self.said): nn.init.normal_(table.weight, std=d**-.5)
        self.out.weight = self.said.weight
    def encode(self, x):
        sizes = (x != 0).sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(self.words(x), sizes, True, enforce_sorted=False)
        states, last = self.reads(packed)
        states, _ = nn.utils.rnn.pad_packed_sequence(states, True, total_length=x.shape[1])
        return states, x != 0, torch.cat([*last], 1)[None]
    def decode(self, y, seen, memory=None):
        states, mask, first = seen
        h, memory = self.writes(self.said(y), first if memory is None else memory)
        found, _ = attention(self.ask(h), states, states, mask)
        return self.out(self.mix(torch.cat([h, found], 2)).tanh()), memory
exercise('P4.4', Translator)""",
    train="""
def train(net, sources, targets, epochs, lr, batch):
    opt = torch.optim.Adam(net.parameters(), lr)
    steps = epochs*math.ceil(len(sources)/batch)
    plan = torch.optim.lr_scheduler.OneCycleLR(opt, lr, total_steps=steps, pct_start=.1)
    net.train()
    for _ in range(epochs):
        sizes = torch.tensor([len(s) for s in sources]) + torch.rand(len(sources))
        parts = sizes.argsort().split(batch)
        for k in torch.randperm(len(parts)):
            x, y_in, y_out = make_batch([sources[i] for i in parts[k]], [targets[i] for i in parts[k]])
            scores, _ = net.decode(y_in, net.encode(x))
            loss = F.cross_entropy(scores.flatten(0, 1), y_out.flatten(), ignore_index=0)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1)
            opt.step()
            plan.step()
exercise('P4.5', [Translator, train])""",
    translate="""
@torch.no_grad()
def translate(net, sources, longest=40):
    net.eval()
    seen, y, memory, said = net.encode(pad(sources)), torch.ones(len(sources), 1, dtype=torch.long), None, []
    for _ in range(longest):
        scores, memory = net.decode(y, seen, memory)
        y = scores[:, -1:].argmax(-1)
        said.append(y)
    rows = torch.cat(said, 1).tolist()
    return [row[:row.index(2)] if 2 in row else row for row in rows]
exercise('P4.6', translate)""",
    fit_translator="""
SETTINGS = dict(d=64, size=128, epochs=6, lr=1.5e-2, batch=64)
def fit_translator(sources, targets):
    sources, targets = ([split(s) for s in side] for side in (sources, targets))
    (number_of, _), (to_write, word_of) = make_table(sources), make_table(targets)
    torch.manual_seed(0)
    net = Translator(len(number_of), len(to_write), SETTINGS['d'], SETTINGS['size'])
    train(net, [encode(s, number_of) for s in sources], [encode(t, to_write) for t in targets],
          SETTINGS['epochs'], SETTINGS['lr'], SETTINGS['batch'])
    return net, number_of, word_of
exercise('P4.7', [fit_translator, Translator])""")

# An LSTM that reads to the right only, its last state looked up; the loss with a mask of its own; all words so far, without a memory, sentence by sentence.
PLAIN = dict(
    make_table="""
def make_table(sentences):
    word_of = '<pad> <start> <end> <unk>'.split()
    number_of = dict(zip(word_of, range(4)))
    for sentence in sentences:
        for word in sentence:
            if word in number_of: continue
            number_of[word] = len(word_of)
            word_of.append(word)
    return number_of, word_of
exercise('P4.1', make_table)""",
    make_batch="""
def make_batch(sources, targets):
    x = torch.zeros(len(sources), max(len(s) for s in sources), dtype=torch.long)
    y = torch.zeros(len(sources), max(len(t) for t in targets) + 2, dtype=torch.long)
    for k, (s, t) in enumerate(zip(sources, targets)):
        x[k, :len(s)] = torch.tensor(s)
        y[k, :len(t)+2] = torch.tensor([1] + t + [2])
    return x, y[:, :-1], y[:, 1:]
exercise('P4.2', make_batch)""",
    attention="""
def attention(queries, keys, values, mask):
    scores = torch.einsum('nmd,nkd->nmk', queries, keys)*queries.size(2)**-.5
    weights = torch.exp(scores - scores.amax(2, keepdim=True))*mask.unsqueeze(1)
    weights = weights/weights.sum(2, keepdim=True)
    return torch.bmm(weights, values), weights
exercise('P4.3', attention)""",
    Translator="""
class Reader(nn.Module):
    def __init__(self, n, d, size):
        super().__init__()
        self.table, self.lstm = nn.Embedding(n, d), nn.LSTM(d, size, batch_first=True)
    def forward(self, x):
        h, _ = self.lstm(self.table(x))
        return h, h[torch.arange(len(x)), (x > 0).sum(1) - 1]
class Translator(nn.Module):
    def __init__(self, n_source, n_target, d=64, size=128):
        super().__init__()
        self.reader, self.table = Reader(n_source, d, size), nn.Embedding(n_target, d)
        self.lstm, self.out = nn.LSTM(d, size, batch_first=True), nn.Linear(2*size, n_target)
    def encode(self, x): return dict(h=self.reader(x), mask=x > 0)
    def decode(self, y, seen, memory=None):
        h, last = seen['h']
        if memory is None: memory = last[None].contiguous(), last[None].contiguous()
        out, memory = self.lstm(self.table(y), memory)
        return self.out(torch.cat([out, attention(out, h, h, seen['mask'])[0]], -1)), memory
exercise('P4.4', Translator)""",
    train="""
def train(net, sources, targets, epochs, lr, batch):
    opt = torch.optim.AdamW(net.parameters(), lr=lr/2)
    for _ in range(epochs):
        order = torch.randperm(len(sources)).tolist()
        while order:
            now, order = order[:batch], order[batch:]
            x, y_in, y_out = make_batch([sources[i] for i in now], [targets[i] for i in now])
            logp = net.decode(y_in, net.encode(x))[0].log_softmax(2)
            there = (y_out != 0).float()
            loss = -(logp.gather(2, y_out[..., None])[..., 0]*there).sum()/there.sum()
            net.zero_grad()
            loss.backward()
            opt.step()
exercise('P4.5', [Translator, train])""",
    translate="""
def translate(net, sources, longest=40):
    net.eval()
    out = []
    for source in sources:
        said = [1]
        with torch.no_grad():
            seen = net.encode(torch.tensor([source]))
            while len(said) <= longest:
                word = int(net.decode(torch.tensor([said]), seen)[0][0, -1].argmax())
                if word == 2: break
                said.append(word)
        out.append(said[1:])
    return out
exercise('P4.6', translate)""",
    fit_translator="""
def fit_translator(sources, targets):
    a, b = [split(s) for s in sources], [split(t) for t in targets]
    source_table, target_table = make_table(a), make_table(b)
    torch.manual_seed(0)
    net = Translator(len(source_table[0]), len(target_table[0]))
    train(net, [encode(s, source_table[0]) for s in a], [encode(t, target_table[0]) for t in b], 7, .01, 48)
    return net, source_table[0], target_table[1]
exercise('P4.7', [fit_translator, Translator])""")

ANSWERS = ['It would say <pad> nearly always, because most places are padding.', 'It goes on from a sentence that it has never seen, and often makes more mistakes.',
           'It leaves parts out, because it has never counted so far; the word is <unk> to it.', 'The long ones: all of it has to fit into one state.']
TITLES = dict(run='It runs from top to bottom', batch='Sentences become numbers and batches', attention='Attention looks where there are words', network='The network reads and writes',
              train='Training learns words, not padding', end='The end stops it', sentences='It translates sentences that it has never seen', questions='The questions are answered')

P4 = Work('P4', '4_translate.ipynb', PACKED, ANSWERS, TITLES)
STARTER, changed, handed_in, defined, here = P4.starter, P4.changed, P4.handed_in, P4.defined, P4.here

# name -> the work, the line of the rubric that tells, and a word that its verdict must hold
WRONG = {
    'no room for the special tokens': (changed('make_table', "'<pad>', '<start>', '<end>', '<unk>', ", ''), 'batch', 'these four'),
    'the first sentence only': (changed('make_table', 'for s in sentences for w in s', 'for w in sentences[0]'), 'batch', 'all sentences'),
    'tables that are not inverse': (changed('make_table', 'for w, k in number_of.items()', 'for k, w in enumerate(reversed(words))'), 'batch', 'out of the first'),
    'padding in front': (changed('make_batch', 'batch_first=True)', "batch_first=True, padding_side='left')"), 'batch', 'as many 0'),
    'no end': (changed('make_batch', '[*t, 2]', 't') | {'make_batch': PACKED['make_batch'].replace('[1, *t]', '[1, *t][:-1]').replace('[*t, 2]', 't')}, 'batch', 'one more'),
    'y_in is y_out': (changed('make_batch', '[1, *t]', '[*t, 2]'), 'batch', 'word *before*'),
    'the end behind the padding': (changed('make_batch', 'pad([[*t, 2] for t in targets])', 'F.pad(pad(targets), (0, 1), value=2)'), 'batch', '<end>'),
    'no mask': (changed('attention', '.masked_fill(~mask[:, None], -math.inf)', ''), 'attention', 'masked_fill'),
    'padding has a score of 0': (changed('attention', '-math.inf', '0'), 'attention', 'the score of padding is 0'),
    'masked after softmax': (changed('attention', '.masked_fill(~mask[:, None], -math.inf)', '', changed('attention', '.softmax(-1)', '.softmax(-1)*mask[:, None]')), 'attention', 'does not add up to 1'),
    'no shares': (changed('attention', PACKED['attention'][PACKED['attention'].index('    return'):PACKED['attention'].index('exercise')], '    return shares @ values\n'), 'attention', 'expected what is found and the shares'),
    'not divided': (changed('attention', '/math.sqrt(keys.shape[-1])', ''), 'attention', 'math.sqrt(d)'),
    'softmax along the queries': (changed('attention', '.softmax(-1)', '.softmax(-2)', changed('attention', '-math.inf', '-1e9')), 'attention', 'last axis'),
    'the mask turned round': (changed('attention', '~mask', 'mask'), 'attention', 'masked'),
    'the encoder reads padding': (changed('Translator', PACKED['Translator'][PACKED['Translator'].index('        packed ='):PACKED['Translator'].index('        return states, x != 0')], '        states, last = self.reads(self.words(x))\n'), 'network', 'last state'),
    'the decoder looks at padding': (changed('Translator', 'return states, x != 0,', 'return states, x > -1,'), 'network', 'the mask'),
    'no attention, one state': (changed('Translator', 'found, _ = attention(self.ask(h), states, states, mask)', 'found = first[0][:, None].expand_as(h)'), 'network', 'One state forgets'),
    'the encoder is cut off': (changed('Translator', 'return states, x != 0, torch', 'states, last = states.detach(), last.detach()\n        return states, x != 0, torch'), 'network', 'detach'),
    'a decoder in both directions': (changed('Translator', 'nn.GRU(d, size, batch_first=True)', 'nn.GRU(d, size//2, batch_first=True, bidirectional=True)', changed('Translator', 'torch.cat([*last], 1)[None]', 'last')), 'network', 'reads the answer'),
    'batch_first forgotten': (changed('Translator', 'nn.Embedding(n, d), nn.LSTM(d, size, batch_first=True)', 'nn.Embedding(n, d), nn.LSTM(d, size)', PLAIN), 'network', 'batch_first'),
    'the memory is not used': (changed('Translator', 'first if memory is None else memory', 'first'), 'network', 'Hand `memory`'),
    'a bag of words': (changed('Translator', PACKED['Translator'][PACKED['Translator'].index('        packed ='):PACKED['Translator'].index('        return states, x != 0')], '        states = torch.cat([self.words(x)]*2, 2)[..., :self.ask.in_features]\n        last = (states*(x != 0)[..., None]).sum(1)[None]\n'), 'network', 'no order'),
    'no memory of what was said': (changed('Translator', 'h, memory = self.writes(self.said(y), first if memory is None else memory)', 'h = first[0][:, None] + torch.cat([self.said(y)]*2, 2)[..., :first.shape[2]]'), 'network', 'memory of what it has said'),
    'a softmax at the end': (changed('Translator', '.tanh()), memory', '.tanh()).softmax(-1), memory'), 'network', 'softmax'),
    'padding counts': (changed('train', '(y_out != 0).float()', 'torch.ones_like(y_out)', PLAIN), 'train', 'ignore_index'),
    'no step': (changed('train', '            opt.step()\n            plan.step()\n', ''), 'train', 'opt.step()'),
    'translations of others': (changed('train', '[targets[i] for i in parts[k]]', '[targets[-1 - int(i)] for i in parts[k]]'), 'train', 'its own translation'),
    'it does not stop': (changed('translate', 'row[:row.index(2)] if 2 in row else row', '[k for k in row if k != 2]'), 'end', 'its own `<end>`'),
    'the end stays in it': (changed('translate', 'row[:row.index(2)]', 'row[:row.index(2) + 1]'), 'end', 'cut each row'),
    'all stop with the first': (changed('translate', '        said.append(y)\n', '        if (y == 2).any(): break\n        said.append(y)\n'), 'end', 'word before'),
    'the memory is thrown away': (changed('translate', 'net.decode(y, seen, memory)', 'net.decode(y, seen)'), 'end', 'newest word'),
    'all words, and a memory': (changed('translate', 'said.append(y)', "said.append(y[:, -1:]); y = torch.cat([torch.ones(len(sources), 1, dtype=torch.long), *said], 1)"), 'end', 'newest word'),
    'it begins with padding': (changed('translate', 'torch.ones', 'torch.zeros'), 'end', '<start>'),
    'still in training': (changed('translate', '    net.eval()\n', ''), 'end', 'net.eval()'),
    'pairs from other cells': (changed('fit_translator', 'def fit_translator(sources, targets):', 'mine = ["we see ."], ["nous voyons ."]\ndef fit_translator(sources, targets):\n    sources, targets = mine'), 'sentences', '`mine`'),
    'the validation set, too': (changed('fit_translator', 'def fit_translator(sources, targets):', 'def fit_translator(sources, targets):\n    sources, targets = [*sources, "we see a xylophone ."], [*targets, "nous voyons un xylophone ."]'), 'sentences', 'xylophone'),
    'hardly trained': (changed('fit_translator', 'epochs=6', 'epochs=1'), 'sentences', 'more passes'),
}
