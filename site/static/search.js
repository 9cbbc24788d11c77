// A word of the course is explained above all that the search finds.
const asked = (new URLSearchParams(location.search).get('q') ?? '').trim().toLowerCase();
const meant = [asked, asked.replace(/s$/, ''), asked + 's'].find(word => Object.hasOwn(WORDS, word));
for (const [words, meaning, lessons] of WORDS[meant] ?? []) {
  const line = document.createElement('p');
  line.className = 'word';
  const link = (text, page) => Object.assign(document.createElement('a'), {textContent: text, href: page});
  const bold = Object.assign(document.createElement('strong'), {textContent: words});
  line.append(bold, `: ${meaning}. `);
  for (const [number, page] of lessons) line.append(link(`Lesson ${number}`, `${page}.html`), ', ');
  line.append(link('all words', 'glossary.html'));
  document.getElementById('search-results').before(line);
}
