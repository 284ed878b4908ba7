// Asks for a move of the active, or for none at all. A move is tried dry first, and what would happen is
// shown before it can be carried out.

import { change } from './connection.js'
import { make, show } from './dom.js'
import { AskDialog } from './ask-dialog.js'

const VERBS = {
  switchover: {
    title: 'Switch over',
    isMove: true,
    says: ({ active }) =>
      `Another backend becomes the active. ${active ?? 'Nobody'} serves now; what runs there may finish within the time that is configured, or is cut. New requests wait meanwhile.`,
  },
  failback: {
    title: 'Fail back',
    isMove: true,
    says: ({ active, preferred }) =>
      `${preferred} becomes the active again instead of ${active ?? 'nobody'}, in the same way as a switchover.`,
  },
  freeze: {
    title: 'Freeze',
    isMove: false,
    says: ({ active }) =>
      `${active ?? 'Nobody'} stays the active whatever happens: if it fails, nobody takes over until you unfreeze the pool.`,
  },
  unfreeze: {
    title: 'Unfreeze',
    isMove: false,
    says: () => 'The pool may move again. If its active has failed meanwhile, it moves at once.',
  },
}

export class MoveDialog extends AskDialog {
  #pool = null
  #verb = 'switchover'
  #isTried = false
  #to = make('select', { name: 'to', onchange: () => this.#again() })
  #toLabel = make('label', {}, 'To ', this.#to)

  constructor(done) {
    super(done)
    this.body.append(this.#toLabel)
  }

  open(pool, verb) {
    this.#pool = pool
    this.#verb = verb
    const { title, says } = VERBS[verb]
    const { standbys } = pool.failover
    const options = standbys.map(({ name, ready }) => {
      return make('option', { value: name }, ready ? name : `${name} (not ready)`)
    })
    this.#to.replaceChildren(...options)
    const ready = standbys.find((one) => one.ready)
    if (ready !== undefined) this.#to.value = ready.name
    show(this.#toLabel, verb === 'switchover')
    this.show(`${title} pool ${pool.name}`)
    this.consequence(says(pool.failover))
    this.#again()
  }

  #again() {
    this.reset()
    this.changed()
  }

  changed() {
    this.#isTried = false
    const { title, isMove } = VERBS[this.#verb]
    this.offer(isMove ? 'See what would happen' : `${title} ${this.#pool.name}`)
  }

  async ask({ reason, by, force }) {
    const verb = this.#verb
    const { isMove, title } = VERBS[verb]
    const path = `/v1/pools/${encodeURIComponent(this.#pool.name)}/${verb}`
    const wish = { reason, ...by }
    if (verb === 'switchover') wish.to = this.#to.value
    if (!isMove) return change(path, wish)
    const dryRun = !this.#isTried
    const answer = await change(path, { ...wish, force, dryRun })
    if (!dryRun || answer.status !== 200) return answer
    this.#isTried = true
    this.offer(`${title} ${verb === 'switchover' ? `to ${this.#to.value}` : 'now'}`)
    return { ...answer, isDry: true }
  }

  mayForce(code) {
    return VERBS[this.#verb].isMove && code === 'refused'
  }
}
