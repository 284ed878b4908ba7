// What all questions before a change share: the consequence, a reason, a name, the refusal, and the way
// out. Enter carries it out, Esc leaves, and the focus goes back to where it came from.

import { make, say, show } from './dom.js'

const BY_KEY = 'evenkeel-by'
let count = 0

export class AskDialog {
  body = make('div')
  #dialog
  #title
  #says
  #answer
  #reason
  #by
  #force
  #forceLabel
  #go
  #form
  #done
  #isBusy = false

  /** @param done is told in a sentence what was done */
  constructor(done) {
    this.#done = done
    const id = `ask-${++count}`
    const limits = { maxlength: '500', autocomplete: 'off' }
    this.#title = make('h2', { id })
    this.#says = make('p', { id: `${id}-says`, 'aria-live': 'polite' })
    this.#answer = make('p', { class: 'answer', role: 'alert', hidden: true })
    this.#reason = make('input', {
      ...limits,
      name: 'reason',
      required: true,
    })
    this.#by = make('input', { ...limits, name: 'by', maxlength: '100', autocomplete: 'name' })
    this.#force = make('input', { type: 'checkbox', name: 'force', onchange: () => this.changed() })
    this.#forceLabel = make(
      'label',
      { class: 'check force', hidden: true },
      this.#force,
      ' Do it anyway (force)',
    )
    this.#go = make('button', { type: 'submit', class: 'go' })
    const leave = make('button', { type: 'button', onclick: () => this.#dialog.close() }, 'Cancel')
    this.#form = make(
      'form',
      { method: 'dialog', onsubmit: (event) => void this.#submit(event) },
      this.#title,
      this.body,
      this.#says,
      make('label', {}, 'Reason (required; goes into log and record) ', this.#reason),
      make('label', {}, 'Your name (optional) ', this.#by),
      this.#answer,
      this.#forceLabel,
      make('p', { class: 'buttons' }, leave, this.#go),
    )
    const labels = { 'aria-labelledby': id, 'aria-describedby': `${id}-says` }
    this.#dialog = make('dialog', labels, this.#form)
    document.body.append(this.#dialog)
  }

  show(title) {
    say(this.#title, title)
    this.#reason.value = ''
    this.#by.value = localStorage.getItem(BY_KEY) ?? ''
    this.reset()
    this.#dialog.showModal()
  }

  consequence(text) {
    say(this.#says, text)
  }

  /** What the button says. */
  offer(text) {
    say(this.#go, text)
  }

  /** Another question: what was answered to the last one does not count. */
  reset() {
    show(this.#answer, false)
    show(this.#forceLabel, false)
    this.#force.checked = false
  }

  /** It is to be forced, or not any more: what was tried dry does not count. */
  changed() {}

  async #submit(event) {
    event.preventDefault()
    if (this.#isBusy) return
    const reason = this.#reason.value.trim()
    if (reason === '') {
      this.#tell('Please say why: the reason goes into log and record.', 'bad')
      this.#reason.focus()
      return
    }
    const by = this.#by.value.trim()
    localStorage.setItem(BY_KEY, by)
    this.#busy(true)
    this.#tell('Asking Evenkeel…', 'word')
    try {
      this.#hear(
        await this.ask({ reason, by: by === '' ? {} : { by }, force: this.#force.checked }),
      )
    } catch {
      this.#tell(
        'There was no answer: nobody knows whether it was done. Look at the state before you try again.',
        'bad',
      )
    }
    this.#busy(false)
  }

  #hear({ status, body, isDry }) {
    if (isDry) this.#tell(`Would happen: ${body.message}`, 'word')
    else if (status === 200 || status === 202) {
      this.#dialog.close()
      this.#done(body.message)
    } else {
      const { detail = `Evenkeel answered ${status}.`, code } = body
      this.#tell(`${status === 409 ? 'Refused: ' : ''}${detail}`, 'bad')
      if (this.mayForce(code)) show(this.#forceLabel, true)
    }
  }

  #busy(isBusy) {
    this.#isBusy = isBusy
    this.#go.disabled = isBusy
    if (!isBusy && this.#dialog.open) this.#go.focus()
  }

  #tell(text, tint) {
    this.#answer.dataset.tint = tint
    say(this.#answer, text)
    show(this.#answer, true)
  }
}
