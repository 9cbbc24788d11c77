// Says at the foot of the page what Python does: it is loading, it is busy with a cell,
// a cell has failed, all cells have run. A phone's toolbar has no room for that.
const note = document.getElementById('python-state')
const [says, clock, show] = note.children
let state, since, hide, failed

function say(what, {shown = true, button = false} = {}) {
  if (says.textContent !== what) says.textContent = what   // read aloud once, not twice a second
  note.hidden = !shown
  show.hidden = !button
}

function look() {
  const panel = window.jupyterapp?.shell?.currentWidget
  const session = panel?.context?.sessionContext
  const status = session?.session?.kernel?.status
  const now = !session ? 'opening' : ['idle', 'busy'].includes(status) ? status : 'loading'
  const began = now !== state
  if (began) [state, since] = [now, Date.now()]
  const seconds = Math.round((Date.now() - since)/1000)
  clock.textContent = now === 'idle' ? '' : ` ${seconds} s.`
  if (now === 'opening') return say('The lesson is loading.')
  if (now === 'loading') {
    return say('Python is loading, about 60 MB the first time. You can read on.')
  }
  const cells = panel.content.widgets.filter(c => c.model.type === 'code')
  const at = cells.findIndex(c => c.model.executionState === 'running')
  if (now === 'busy') {
    return say(at < 0 ? 'Python is busy.' : `Python is busy with code cell ${at + 1} of ${cells.length}.`)
  }
  const error = c => c.model.outputs.toJSON().find(o => o.output_type === 'error')
  failed = cells.findIndex(error)
  if (failed >= 0) {
    const name = error(cells[failed]).ename.match(/\w+/g).pop()   // of "<class 'NameError'>"
    const what = `Code cell ${failed + 1} of ${cells.length} has failed: ${name}.`
    return say(`${what} After an error, "Run All" leaves out the rest.`, {button: true})
  }
  const whole = cells.every(c => c.model.executionCount || !c.model.sharedModel.source.trim())
  if (began && whole) hide = Date.now() + 20000   // for 20 seconds
  say(whole ? 'All code cells have run.' : 'Python is ready.', {shown: whole && Date.now() < hide})
}

show.addEventListener('click', () => {
  const notebook = window.jupyterapp.shell.currentWidget.content
  const cells = notebook.widgets.filter(c => c.model.type === 'code')
  notebook.activeCellIndex = notebook.widgets.indexOf(cells[failed])
  notebook.scrollToItem(notebook.activeCellIndex, 'center')
})
setInterval(look, 500)
