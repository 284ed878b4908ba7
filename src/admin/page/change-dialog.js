// Asks what is to become of a backend, says what that means, and carries it out. Every change needs a
// reason. What Evenkeel refuses is told in its own words, and forcing it is offered only then.

import { change } from './connection.js'
import { make, show } from './dom.js'
import { AskDialog } from './ask-dialog.js'

const VERBS = {
  drain: {
    title: 'Drain',
    says: (name) =>
      `${name} gets no new requests; what runs there may finish. It stays out until you enable it.`,
  },
  maintenance: {
    title: 'Maintenance',
    says: (name) =>
      `${name} is taken out at once: what waits for an answer and can safely be made again moves to another backend, the rest finishes. It stays out until you enable it.`,
  },
  enable: {
    title: 'Enable',
    says: (name) =>
      `${name} serves again as soon as its health checks pass, with slow start if that is configured.`,
  },
  weight: {
    title: 'Weight',
    says: (name) =>
      `${name} gets another share of new requests. A number from 0, a share such as 50%, or nothing for the configured weight. 0: no new requests.`,
  },
}

export class ChangeDialog extends AskDialog {
  #pool = null
  #backend = null
  #weight = make('input', { name: 'weight', autocomplete: 'off', inputmode: 'text' })
  #weightLabel = make('label', {}, 'Weight ', this.#weight)
  #choices = make('fieldset', {}, make('legend', {}, 'What'))
  #inputs = {}

  constructor(done) {
    super(done)
    for (const [verb, { title }] of Object.entries(VERBS)) {
      const input = make('input', {
        type: 'radio',
        name: 'verb',
        value: verb,
        onchange: () => this.#choose(),
      })
      this.#inputs[verb] = input
      this.#choices.append(make('label', { class: 'check' }, input, ` ${title}`))
    }
    this.body.append(this.#choices, this.#weightLabel)
  }

  open(pool, backend) {
    this.#pool = pool
    this.#backend = backend
    const isOut = backend.admin !== 'ready'
    this.#inputs[isOut ? 'enable' : 'drain'].checked = true
    this.#inputs.enable.disabled = !isOut
    this.#weight.value = String(backend.weight)
    this.show(`Change ${backend.name} of ${pool.name}`)
    this.#choose()
  }

  get #verb() {
    return Object.keys(VERBS).find((verb) => this.#inputs[verb].checked)
  }

  #choose() {
    const { name, inFlight } = this.#backend
    const { title, says } = VERBS[this.#verb]
    const isOut = this.#verb === 'drain' || this.#verb === 'maintenance'
    const { available, minAvailable } = this.#pool
    const now = isOut
      ? ` Now ${inFlight} in flight there; ${available} available in the pool, at least ${minAvailable} wanted.`
      : ''
    this.consequence(says(name) + now)
    this.offer(`${title} ${name}`)
    show(this.#weightLabel, this.#verb === 'weight')
    this.reset()
  }

  async ask({ reason, by, force }) {
    const verb = this.#verb
    const path = `/v1/pools/${encodeURIComponent(this.#pool.name)}/backends/${encodeURIComponent(this.#backend.name)}/${verb}`
    const wish = { reason, ...by }
    if (verb !== 'enable') wish.force = force
    if (verb === 'weight') {
      const text = this.#weight.value.replaceAll(' ', '')
      wish.weight = text === '' ? null : /^\d+$/.test(text) ? Number(text) : text
    }
    return change(path, wish)
  }

  mayForce(code) {
    return this.#verb !== 'enable' && (code === 'min-available' || code === 'refused')
  }
}
