// Says at the foot of the page that Python is loading, until it is there.
const note = document.getElementById('python-loading')
const begin = Date.now()
const clock = setInterval(() => {
  const session = window.jupyterapp?.shell?.currentWidget?.context?.sessionContext
  const seconds = Math.round((Date.now() - begin)/1000)
  const what = session ? 'Python is loading, about 60 MB the first time' : 'The lesson is loading'
  note.textContent = `${what}: ${seconds} s.${session ? ' You can read on.' : ''}`
  if (['idle', 'busy'].includes(session?.session?.kernel?.status)) {
    clearInterval(clock)
    note.remove()
  }
}, 500)
