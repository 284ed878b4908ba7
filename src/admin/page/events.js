// The time line: what happened, the latest first, each event once.

import { byId, make, show } from './dom.js'
import { describe, moment } from './words.js'

const SHOWN_MAX = 200
const SIGNS = { good: '●', bad: '✕', odd: '!', word: '·' }

export class Events {
  #seen = new Set()

  add(event) {
    const key = `${event.at}-${event.id}`
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    if (this.#seen.size > 4000) this.#seen = new Set([...this.#seen].slice(-2000))
    const { tint, text, why } = describe(event)
    this.#put(event.at, tint, text, why)
  }

  gap() {
    if (this.#seen.size > 0)
      this.#put(Date.now(), 'odd', 'Some events before this are missing.', '')
  }

  #put(at, tint, text, why) {
    const list = byId('event-list')
    const time = make('time', { datetime: new Date(at).toISOString() }, moment(at))
    const sign = make('span', { class: 'sign', 'aria-hidden': 'true' }, SIGNS[tint])
    const what = make('span', { class: 'what' }, text)
    const rest = why === '' ? [] : [' ', make('span', { class: 'why' }, why)]
    list.prepend(make('li', { 'data-tint': tint }, time, sign, what, ...rest))
    while (list.children.length > SHOWN_MAX) list.lastElementChild.remove()
    show(byId('no-events'), false)
  }
}
