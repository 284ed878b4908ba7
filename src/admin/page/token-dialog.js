// Asks for the token. It is kept for this tab's session and nowhere else.

import { hasToken, keepToken } from './connection.js'
import { make, say, show } from './dom.js'

export class TokenDialog {
  #dialog
  #input
  #says = make('p', { id: 'token-says' })
  #forget

  /** @param done is called when there is another token */
  constructor(done) {
    const close = () => this.#dialog.close()
    this.#input = make('input', {
      name: 'token',
      type: 'password',
      autocomplete: 'off',
      spellcheck: 'false',
      required: true,
    })
    const forget = () => {
      keepToken('')
      close()
      done()
    }
    this.#forget = make('button', { type: 'button', onclick: forget }, 'Forget the token')
    const submit = (event) => {
      event.preventDefault()
      keepToken(this.#input.value.trim())
      this.#input.value = ''
      close()
      done()
    }
    const form = make(
      'form',
      { method: 'dialog', onsubmit: submit },
      make('h2', { id: 'token-title' }, 'Token'),
      this.#says,
      make('label', {}, 'Token ', this.#input),
      make(
        'p',
        { class: 'buttons' },
        this.#forget,
        make('button', { type: 'button', onclick: close }, 'Cancel'),
        make('button', { type: 'submit', class: 'go' }, 'Use it'),
      ),
    )
    this.#dialog = make(
      'dialog',
      { id: 'token-dialog', 'aria-labelledby': 'token-title', 'aria-describedby': 'token-says' },
      form,
    )
    document.body.append(this.#dialog)
  }

  open(isWrong) {
    const kept = 'It is kept until this tab is closed, and sent to this address alone.'
    const first = isWrong
      ? 'Evenkeel does not know this token. '
      : 'Evenkeel asks for a token (admin.tokens). '
    say(this.#says, first + kept)
    show(this.#forget, hasToken())
    if (!this.#dialog.open) this.#dialog.showModal()
    this.#input.focus()
  }
}
