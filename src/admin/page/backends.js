// The backends of a pool as a table; on a phone each row is a card. A big pool shows those in trouble
// and the first few, until it is asked for all.

import { make, mark, Rows, say, show } from './dom.js'
import { age, percent, rate, signature, STATES } from './words.js'

/** A pool with more backends than this begins folded. */
const FOLDED_MAX = 25

const COLUMNS = [
  ['name', 'Backend'],
  ['state', 'State'],
  ['why', 'Why'],
  ['share', 'Share', 'number'],
  ['rate', 'Attempts/s', 'number'],
  ['failing', 'Failed/s', 'number'],
  ['inFlight', 'In flight', 'number'],
  ['weight', 'Weight', 'number'],
  ['probe', 'Last probe'],
  ['word', 'Operator'],
  ['change', 'Change'],
]

/** It gets less than it could. */
export function isTroubled({ availability }) {
  return !['available', 'starting', 'standby'].includes(availability)
}

/** What `find` and `troubled` of the page leave. */
export function isWanted({ name, address, availability, reason }, pool, { find, troubled }) {
  if (troubled && !isTroubled({ availability })) return false
  const text = `${pool} ${name} ${address} ${availability} ${reason}`
  return find === '' || text.toLowerCase().includes(find)
}

export class Backends {
  #rows
  #more
  #isAll = false
  element

  /** @param onChange opens the dialog for `(pool, backend)`; @param again shows the pool anew */
  constructor(pool, onChange, again) {
    const head = COLUMNS.map(([key, title, kind = 'text']) => {
      return make(
        'th',
        { scope: 'col', role: 'columnheader', 'data-kind': kind, class: key },
        title,
      )
    })
    const body = make('tbody', { role: 'rowgroup' })
    const table = make(
      'table',
      { role: 'table', 'aria-label': `Backends of ${pool}`, class: 'backends' },
      make('thead', { role: 'rowgroup' }, make('tr', { role: 'row' }, ...head)),
      body,
    )
    this.#more = make('button', {
      type: 'button',
      class: 'more',
      onclick: () => this.#unfold(again),
    })
    this.element = make('div', { class: 'scroll' }, table, this.#more)
    this.#rows = new Rows(body, ({ name }) => new Row(pool, name, onChange))
  }

  /** @param figuresOf gives rate, failing and share of a backend; @param wish what is to be shown */
  update(pool, figuresOf, wish, nowMs) {
    const wanted = pool.backends.filter((one) => isWanted(one, pool.name, wish))
    const isFolded = !this.#isAll && wanted.length > FOLDED_MAX
    let rest = FOLDED_MAX - wanted.filter(isTroubled).length
    const shown = isFolded ? wanted.filter((one) => isTroubled(one) || rest-- > 0) : wanted
    const items = shown.map((backend) => ({ ...backend, ...figuresOf(backend.name), nowMs, pool }))
    this.#rows.update(items, ({ name }) => name)
    show(this.#more, shown.length < wanted.length || (this.#isAll && wanted.length > FOLDED_MAX))
    say(this.#more, isFolded ? `Show all ${wanted.length} backends` : 'Show fewer')
    return wanted.length
  }

  #unfold(again) {
    this.#isAll = !this.#isAll
    again()
  }
}

class Row {
  #cells = {}
  #latest = null
  element

  constructor(pool, name, onChange) {
    for (const [key, title, kind = 'text'] of COLUMNS) {
      const props = { role: 'cell', 'data-label': title, 'data-kind': kind, class: key }
      this.#cells[key] = make('td', props)
    }
    const { name: first, state, change } = this.#cells
    first.setAttribute('role', 'rowheader')
    this.#cells.title = first.appendChild(make('b'))
    this.#cells.address = first.appendChild(make('small'))
    this.#cells.sign = state.appendChild(make('span', { class: 'sign', 'aria-hidden': 'true' }))
    this.#cells.stateText = state.appendChild(make('b'))
    this.#cells.since = state.appendChild(make('small'))
    const onclick = () => onChange(this.#latest.pool, this.#latest)
    const label = `Change backend ${name} of pool ${pool}`
    change.append(make('button', { type: 'button', 'aria-label': label, onclick }, 'Change…'))
    this.element = make('tr', { role: 'row' })
    this.element.append(...COLUMNS.map(([key]) => this.#cells[key]))
  }

  update(backend) {
    this.#latest = backend
    const { name, address, availability, drained, reason, sinceAt, weight, effectiveWeight } =
      backend
    const cells = this.#cells
    const state = drained && availability === 'drain' ? 'drained' : availability
    const { mark: sign, tint } = STATES[state] ?? { mark: '?', tint: 'odd' }
    mark(this.element, 'data-tint', tint)
    mark(this.element, 'data-state', state)
    say(cells.title, name)
    say(cells.address, address)
    say(cells.sign, sign)
    say(cells.stateText, state)
    say(cells.since, `for ${age(backend.nowMs - sinceAt)}`)
    say(cells.why, reason)
    say(cells.share, percent(backend.share))
    say(cells.rate, rate(backend.rate))
    say(cells.failing, rate(backend.failing))
    mark(cells.failing, 'data-tint', backend.failing > 0 ? 'bad' : null)
    say(cells.inFlight, backend.inFlight)
    const inForce = Math.round(effectiveWeight * 100) / 100
    say(cells.weight, inForce === weight ? weight : `${inForce} of ${weight}`)
    say(cells.probe, probeText(backend))
    say(cells.word, wordOf(backend))
    cells.word.classList.toggle('empty', backend.override === null)
  }
}

function probeText({ lastProbe, role, lag }) {
  const behind = lag?.ms >= 1000 ? `, ${age(lag.ms)} behind` : ''
  return `${lastProbe ?? '–'}${role === null ? '' : ` (${role}${behind})`}`
}

/** What operators said, who and when. */
function wordOf({ override, nowMs }) {
  if (override === null) return '–'
  const { admin, weight, added } = override
  return [
    admin === null ? '' : `${admin.state} by ${signature(admin, nowMs)}`,
    weight === null ? '' : `weight ${weight.text} by ${signature(weight, nowMs)}`,
    added === null ? '' : `added by ${signature(added, nowMs)}`,
  ]
    .filter(Boolean)
    .join('; ')
}
