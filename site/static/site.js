// On a phone, a tap on a heading in the drawer "On this page" closes the drawer.
for (const link of document.querySelectorAll('.toc-drawer a')) {
  link.addEventListener('click', () => document.getElementById('__toc').checked = false);
}
// Who comes from the search sees where it is: in a heading, or else in the text.
// Sphinx marks the words 10 milliseconds after the page is there.
addEventListener('DOMContentLoaded', () => setTimeout(() => {
  if (location.hash) return;
  const [heading, text] = ['h2 .highlighted', '.highlighted'].map(x => document.querySelector(`article ${x}`));
  (heading ?? text)?.scrollIntoView({block: 'center', behavior: 'instant'});
}, 50));
