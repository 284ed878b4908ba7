// Who is the active of a pool, who could follow, and what moves there were.

import { make, mark, Rows, say, show } from './dom.js'
import { age, length, moment } from './words.js'

const TINTS = { steady: 'good', frozen: 'odd', suspect: 'odd', none: 'bad' }

export class Failover {
  #parts
  #standbys
  #moves
  #buttons = {}
  #latest = null
  element

  /** @param onMove opens the dialog for `(pool, verb)` */
  constructor(onMove) {
    const part = (tag, props) => make(tag, props)
    this.#parts = {
      active: part('b'),
      state: part('span', { class: 'state' }),
      reason: part('p', { class: 'why' }),
      frozen: part('p', { class: 'why' }),
      move: part('p', { class: 'move', role: 'status' }),
    }
    const { active, state, reason, frozen, move } = this.#parts
    const standbys = make('ul', { class: 'standbys', 'aria-label': 'Standbys' })
    const moves = make('ol', { class: 'moves' })
    this.#standbys = new Rows(standbys, standbyRow)
    this.#moves = new Rows(moves, moveRow)
    const buttons = make('p', { class: 'buttons' })
    for (const [verb, text] of VERBS) {
      const onclick = () => onMove(this.#latest, verb)
      this.#buttons[verb] = make('button', { type: 'button', 'data-verb': verb, onclick }, text)
      buttons.append(this.#buttons[verb])
    }
    this.#parts.history = make('details', {}, make('summary', {}, 'Last moves'), moves)
    this.element = make(
      'div',
      { class: 'failover' },
      make('p', { class: 'active' }, 'Active: ', active, ' ', state),
      reason,
      frozen,
      move,
      standbys,
      buttons,
      this.#parts.history,
    )
  }

  update(pool, nowMs) {
    this.#latest = pool
    const { failover } = pool
    show(this.element, failover !== null)
    if (failover === null) return
    const { state, reason, sinceAt, active, epoch, preferred, frozen, standbys, move } = failover
    const parts = this.#parts
    mark(this.element, 'data-tint', TINTS[state] ?? 'odd')
    say(parts.active, active ?? 'nobody')
    const other = active === preferred ? '' : `, preferred is ${preferred}`
    say(parts.state, `epoch ${epoch}, ${state} for ${age(nowMs - sinceAt)}${other}`)
    say(parts.reason, reason)
    show(parts.frozen, frozen !== null)
    say(parts.frozen, frozen === null ? '' : `Frozen by ${frozen.by}: ${frozen.reason}`)
    show(parts.move, move !== null)
    say(parts.move, move === null ? '' : `${move.kind} to ${move.to}: ${move.step}`)
    this.#standbys.update(standbys, ({ name }) => name)
    show(parts.history, failover.lastMoves.length > 0)
    this.#moves.update(failover.lastMoves, ({ at, epoch }) => `${at} ${epoch}`)
    show(this.#buttons.switchover, standbys.length > 0)
    show(this.#buttons.failback, active !== preferred)
    show(this.#buttons.freeze, frozen === null)
    show(this.#buttons.unfreeze, frozen !== null)
  }
}

const VERBS = [
  ['switchover', 'Switch over…'],
  ['failback', 'Fail back…'],
  ['freeze', 'Freeze…'],
  ['unfreeze', 'Unfreeze…'],
]

function standbyRow() {
  const sign = make('span', { class: 'sign', 'aria-hidden': 'true' })
  const name = make('b')
  const why = make('span', { class: 'why' })
  const element = make('li', {}, sign, name, why)
  return {
    element,
    update({ name: text, ready, reason }) {
      mark(element, 'data-tint', ready ? 'good' : 'bad')
      say(sign, ready ? '○' : '✕')
      say(name, `${text}: ${ready ? 'ready' : 'not ready'}`)
      say(why, reason)
    },
  }
}

function moveRow(report) {
  const { kind, outcome, from, to, epoch, reason, by, at, detectionMs, moveMs, metObjective } =
    report
  const took = `${length(detectionMs + moveMs)} (${length(detectionMs)} to detect, ${length(moveMs)} to move)`
  const way = from === null ? `to ${to}` : `${from} → ${to}`
  const missed = metObjective === false ? ', objective missed' : ''
  const what = `${kind} ${way}, epoch ${epoch}: ${outcome} in ${took}${missed}`
  const tint = outcome === 'moved' && metObjective !== false ? 'word' : 'bad'
  const time = make('time', { datetime: new Date(at).toISOString() }, moment(at))
  const why = make('span', { class: 'why' }, by === 'evenkeel' ? reason : `${by}: ${reason}`)
  const line = make('span', { class: 'what' }, what)
  return { element: make('li', { 'data-tint': tint }, time, line, why), update() {} }
}
