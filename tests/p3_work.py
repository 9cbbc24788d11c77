"Work that learners hand in for project 3: right solutions in two styles, and wrong ones, as code in the starter's gaps."
from work import Work

# An LSTM whose table is used twice, the state carried from batch to batch.
TIED = dict(
    split_words=r"""
def split_words(text): return re.findall(r"\n|[\w'’]+|[^\w\s]", text.lower())
exercise('P3.1', split_words)""",
    make_tables="""
def make_tables(tokens):
    words = ['<unk>', *(w for w, n in Counter(tokens).items() if n > 1)]
    number_of = {w: k for k, w in enumerate(words)}
    return number_of, {k: w for w, k in number_of.items()}
exercise('P3.2', make_tables)""",
    batches="""
def batches(ids, batch, length):
    n = (len(ids) - 1)//batch
    x, y = ids[:n*batch].view(batch, n), ids[1:n*batch+1].view(batch, n)
    for k in range(0, n - length + 1, length):
        yield x[:, k:k+length], y[:, k:k+length]
exercise('P3.3', batches)""",
    ScriptNet="""
class ScriptNet(nn.Module):
    def __init__(self, n, d=64, size=128):
        super().__init__()
        self.table, self.lstm = nn.Embedding(n, d), nn.LSTM(d, size, batch_first=True)
        self.drop, self.out = nn.Dropout(.1), nn.Linear(size, n)
    def forward(self, ids, state=None):
        h, state = self.lstm(self.drop(self.table(ids)), state)
        return self.out(self.drop(h)), state
exercise('P3.4', ScriptNet)""",
    train="""
def train(net, ids, epochs, lr, batch, length):
    opt = torch.optim.Adam(net.parameters(), lr)
    net.train()
    for _ in range(epochs):
        state = None
        for x, y in batches(ids, batch, length):
            scores, state = net(x, state)
            state = tuple(v.detach() for v in state)
            loss = F.cross_entropy(scores.flatten(0, 1), y.flatten())
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1)
            opt.step()
exercise('P3.5', [ScriptNet, train])""",
    write_script="""
@torch.no_grad()
def write_script(net, start, n, temperature=1., seed=0):
    net.eval()
    gen, text = torch.Generator().manual_seed(seed), list(start)
    scores, state = net(torch.tensor([start]))
    for _ in range(n):
        scores = scores[0, -1]/temperature
        scores[0] = -torch.inf
        text.append(torch.multinomial(scores.softmax(0), 1, generator=gen).item())
        scores, state = net(torch.tensor([text[-1:]]), state)
    return text
exercise('P3.6', write_script)""",
    fit_scripts="""
SETTINGS = dict(d=64, size=128, epochs=2, lr=1e-2, batch=24, length=32)
def fit_scripts(text):
    tokens = split_words(text)
    number_of, word_of = make_tables(tokens)
    torch.manual_seed(0)
    net = ScriptNet(len(number_of), SETTINGS['d'], SETTINGS['size'])
    ids = torch.tensor(encode(tokens, number_of))
    train(net, ids, SETTINGS['epochs'], SETTINGS['lr'], SETTINGS['batch'], SETTINGS['length'])
    return net, number_of, word_of
exercise('P3.7', [fit_scripts, ScriptNet])""")

# Letter by letter, lists instead of tensors, a GRU, each batch without a state, the whole text read anew for each word, numpy's dice, all the text in one class.
PLAIN = dict(
    split_words="""
def split_words(text):
    tokens, word = [], ''
    for c in text.lower() + ' ':
        if c.isalnum() or c in "_'’":
            word += c
            continue
        if word: tokens.append(word)
        word = ''
        if c == '\\n' or not c.isspace(): tokens.append(c)
    return tokens
exercise('P3.1', split_words)""",
    make_tables="""
def make_tables(tokens):
    word_of = ['<unk>'] + sorted(w for w in set(tokens) if tokens.count(w) >= 2)
    return dict(zip(word_of, range(len(word_of)))), word_of
exercise('P3.2', make_tables)""",
    batches="""
def batches(ids, batch, length):
    ids, out = np.asarray(ids), []
    width = len(ids)//batch
    rows = np.stack([ids[r*width:(r+1)*width] for r in range(batch)])
    k = 0
    while k < width - 1:
        y = torch.as_tensor(rows[:, k+1:k+1+length].copy())
        out.append((torch.as_tensor(rows[:, k:k+y.shape[1]].copy()), y))
        k += length
    return out
exercise('P3.3', batches)""",
    ScriptNet="""
class ScriptNet(nn.Module):
    def __init__(self, n, d=64, size=128):
        super().__init__()
        self.words = nn.Parameter(torch.randn(n, d)*.1)
        self.gru = nn.GRU(d, size, num_layers=2)
        self.back = nn.Linear(size, d)
    def forward(self, ids, state=None):
        h, state = self.gru(self.words[ids].transpose(0, 1), state)
        return self.back(h).transpose(0, 1) @ self.words.t(), state
exercise('P3.4', ScriptNet)""",
    train="""
def train(net, ids, epochs, lr, batch, length):
    net.train()
    opt = torch.optim.RMSprop(net.parameters(), lr=lr/3)
    losses = []
    for e in range(epochs):
        for x, y in batches(ids, batch, length):
            logp = F.log_softmax(net(x)[0], -1)
            loss = -logp.gather(2, y[:, :, None]).mean()
            for p in net.parameters(): p.grad = None
            loss.backward()
            opt.step()
            losses.append(loss.item())
    return losses
exercise('P3.5', [ScriptNet, train])""",
    write_script="""
def write_script(net, start, n, temperature=1., seed=0):
    dice, text = np.random.default_rng(seed), [*start]
    net.train(False)
    while len(text) < len(start) + n:
        with torch.no_grad(): last = net(torch.tensor(text)[None])[0][0, -1].numpy().astype(float)
        p = np.exp((last - last.max())/temperature)
        p[0] = 0
        text.append(int(dice.choice(len(p), p=p/p.sum())))
    return text
exercise('P3.6', write_script)""",
    fit_scripts="""
SETTINGS = dict(epochs=2, lr=.01)
def fit_scripts(text):
    tokens = split_words(text)
    tables = make_tables(tokens)
    ids = torch.tensor([tables[0].get(t, 0) for t in tokens])
    torch.manual_seed(1)
    net = ScriptNet(len(tables[1]))
    train(net, ids, SETTINGS['epochs'], SETTINGS['lr'], 16, 30)
    return net, *tables
exercise('P3.7', [fit_scripts, ScriptNet])""")

ANSWERS = ['Each word would be there several times, with each mark after it, and most of them would be rare.', 'Nobody knows: they have other tokens, and unknown words are easy to guess.',
           'On the training set it falls, on the validation set it rises, and it copies.', 'Not well: it would need a longer memory, or attention.']
TITLES = dict(run='It runs from top to bottom', words='Words become numbers, and come back', batches='The batches fit together', network='The network remembers',
              train='Training learns', write='It writes, seeded and varied', scripts='It writes scripts of its own', questions='The questions are answered')

P3 = Work('P3', '3_television_scripts.ipynb', TIED, ANSWERS, TITLES)
STARTER, changed, handed_in, defined, here = P3.starter, P3.changed, P3.handed_in, P3.defined, P3.here

_LOOP = TIED['write_script'][TIED['write_script'].index('    scores, state = net(torch.tensor([start]))'):TIED['write_script'].index('    return text')]

# name -> the work, the line of the rubric that tells, and a word that its verdict must hold
WRONG = {
    'marks lost': (changed('split_words', r"|[^\w\s]", ''), 'words', 'can never be written'),
    'marks that hang on words': (changed('split_words', r"""[\w'’]+|[^\w\s]""", r'\S+'), 'words', 'apart from the word'),
    'ends of lines lost': (changed('split_words', r'\n|', ''), 'words', 'who speaks'),
    'capitals kept': (changed('split_words', '.lower()', ''), 'words', 'text.lower()'),
    'tables that are not inverse': (changed('make_tables', 'for w, k in number_of.items()', 'for k, w in enumerate(sorted(number_of))'), 'words', 'out of the first'),
    'a number for what was seen once': (changed('make_tables', 'if n > 1', 'if n > 0'), 'words', 'Counter'),
    'unknown at the end': (changed('make_tables', "['<unk>', *(w for w, n in Counter(tokens).items() if n > 1)]", "[*(w for w, n in Counter(tokens).items() if n > 1), '<unk>']"), 'words', 'first, then the others'),
    'a number for each place': (changed('make_tables', 'enumerate(words)', 'enumerate([words[0], *tokens]) if w in words'), 'words', 'without a gap'),
    'y is x': (changed('batches', 'ids[1:n*batch+1]', 'ids[:n*batch]'), 'batches', 'one token later'),
    'y is two later': (changed('batches', '(len(ids) - 1)//batch', '(len(ids) - 2)//batch') | {'batches': TIED['batches'].replace('- 1)//', '- 2)//').replace('ids[1:n*batch+1]', 'ids[2:n*batch+2]')}, 'batches', 'one token later'),
    'the last y is the first token': (changed('batches', 'y[:, k:k+length]', 'x[:, k:k+length].roll(-1, 1)'), 'batches', 'comes next'),
    'lines mixed up': (changed('batches', 'ids[:n*batch].view(batch, n), ids[1:n*batch+1].view(batch, n)', 'ids[:n*batch].view(n, batch).t(), ids[1:n*batch+1].view(n, batch).t()'), 'batches', 'mixes the lines up'),
    'rows that do not go on': (changed('batches', TIED['batches'][TIED['batches'].index('    n ='):TIED['batches'].index('exercise')], """    for k in range(0, len(ids) - batch*length, batch*length):
        yield ids[k:k+batch*length].view(batch, length), ids[k+1:k+1+batch*length].view(batch, length)
"""), 'batches', 'long rows'),
    'one step at a time': (changed('batches', 'range(0, n - length + 1, length)', 'range(0, n - length + 1)'), 'batches', 'go on'),
    'half of the text': (changed('batches', 'n = (len(ids) - 1)//batch', 'n = (len(ids) - 1)//batch//2'), 'batches', 'left out'),
    'one pair, not many': (changed('batches', TIED['batches'][TIED['batches'].index('    for k in'):TIED['batches'].index('exercise')], '    return x, y\n'), 'batches', 'expected x and y'),
    'batch_first forgotten': (changed('ScriptNet', ', batch_first=True', ''), 'network', 'batch_first'),
    'in both directions': (changed('ScriptNet', 'batch_first=True)', 'batch_first=True, bidirectional=True)', changed('ScriptNet', 'nn.Linear(size, n)', 'nn.Linear(2*size, n)')), 'network', 'reads the answer'),
    'the state is not used': (changed('ScriptNet', 'self.drop(self.table(ids)), state)', 'self.drop(self.table(ids)))'), 'network', 'Hand `state`'),
    'the state is kept inside': (changed('ScriptNet', 'h, state = self.lstm(self.drop(self.table(ids)), state)', """if state is None and getattr(self, 'old', None) is not None and self.old[0].shape[1] == len(ids): state = self.old
        h, state = self.lstm(self.drop(self.table(ids)), state)
        self.old = state"""), 'network', 'keep none in `self`'),
    'a softmax at the end': (changed('ScriptNet', 'self.out(self.drop(h))', 'self.out(self.drop(h)).softmax(-1)'), 'network', 'softmax'),
    'a ReLU at the end': (changed('ScriptNet', 'self.out(self.drop(h))', 'self.out(self.drop(h)).relu()'), 'network', 'ReLU'),
    'no memory': (changed('ScriptNet', 'nn.LSTM(d, size, batch_first=True)', 'nn.Linear(d, size)', changed('ScriptNet', 'h, state = self.lstm(self.drop(self.table(ids)), state)', 'h = self.lstm(self.table(ids))')), 'network', 'last word only'),
    'only the last place': (changed('ScriptNet', 'self.drop(h))', 'self.drop(h))[:, -1]'), 'network', 'at each place'),
    'no step': (changed('train', 'opt.step()', 'pass'), 'train', 'opt.step()'),
    'the state is not cut off': (changed('train', '            state = tuple(v.detach() for v in state)\n', ''), 'train', 'detach()'),
    'only the last layer learns': (changed('train', 'net.parameters(), lr', 'net.out.parameters(), lr'), 'train', 'net.parameters()'),
    'it learns what it has just read': (changed('train', 'y.flatten()', 'x.flatten()'), 'train', 'y of this'),
    'no seed': (changed('write_script', ', generator=gen', ''), 'write', 'Generator'),
    'always the best': (changed('write_script', 'torch.multinomial(scores.softmax(0), 1, generator=gen)', 'scores.argmax()'), 'write', 'another seed'),
    'unknown words written': (changed('write_script', '        scores[0] = -torch.inf\n', ''), 'write', 'number 0'),
    'the last token without a state': (changed('write_script', '[text[-1:]]), state)', '[text[-1:]]))'), 'write', 'state'),
    'all of the text, and a state': (changed('write_script', 'torch.tensor([text[-1:]]), state', 'torch.tensor([text]), state'), 'write', 'half of each'),
    'still in training': (changed('write_script', '    net.eval()\n', ''), 'write', 'dropout'),
    'softmax before the temperature': (changed('write_script', 'scores[0, -1]/temperature', 'scores[0, -1].softmax(0)/temperature'), 'write', 'Divide'),
    'times the temperature': (changed('write_script', '/temperature', '*temperature'), 'write', 'Divide'),
    'no start': (changed('write_script', 'return text', 'return text[len(start):]'), 'write', 'start'),
    'the validation set, too': (changed('fit_scripts', 'def fit_scripts(text):', 'def fit_scripts(text):\n    text += "ivo : xylophone !\\n"*2'), 'scripts', 'xylophone'),
    'a text from another cell': (changed('fit_scripts', 'def fit_scripts(text):', 'play = "ivo : no\\n ivo : yes\\n"\ndef fit_scripts(text):\n    text = play'), 'scripts', '`play`'),
}
