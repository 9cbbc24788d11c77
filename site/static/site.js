// On a phone, a tap on a heading in the drawer "On this page" closes the drawer.
for (const link of document.querySelectorAll('.toc-drawer a')) {
  link.addEventListener('click', () => document.getElementById('__toc').checked = false);
}
// Who comes from the search sees the first place of what was looked for.
addEventListener('DOMContentLoaded', () => {
  if (!location.hash) document.querySelector('article .highlighted')?.scrollIntoView({block: 'center'});
});
