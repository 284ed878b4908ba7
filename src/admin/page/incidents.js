// What the ledger says of the last day; nothing where there is no ledger.

import { read } from './connection.js'
import { byId, make, show } from './dom.js'
import { length, moment } from './words.js'

const SHOWN_MAX = 20
const EVERY_MS = 15_000
const TROUBLES = {
  outage: 'nobody served',
  shortage: 'too few available',
  'active-lost': 'the active was lost',
  down: 'down',
  ejected: 'ejected',
}

export class Incidents {
  #isThere = true
  #askedMs = -Infinity
  #text = ''

  /** Asks again if it is time. */
  async look(nowMs = performance.now()) {
    if (!this.#isThere || nowMs - this.#askedMs < EVERY_MS) return
    this.#askedMs = nowMs
    try {
      const { status, body } = await read('/v1/incidents?since=24h')
      if (status === 404) this.#isThere = false
      if (status === 200) this.#show(body)
    } catch {
      // The connection tells of it.
    }
  }

  /** Something happened that may be an incident. */
  soon() {
    this.#askedMs = Math.min(this.#askedMs, performance.now() - EVERY_MS + 1_500)
  }

  #show({ total, incidents }) {
    const text = JSON.stringify(incidents)
    show(byId('incidents'), true)
    if (text === this.#text) return
    this.#text = text
    const rows = incidents.slice(0, SHOWN_MAX).map(incidentRow)
    if (rows.length === 0) rows.push(make('li', { class: 'none' }, 'None.'))
    if (total > rows.length)
      rows.push(make('li', {}, `And ${total - SHOWN_MAX} more: evenkeel report`))
    byId('incident-list').replaceChildren(...rows)
  }
}

function incidentRow({ id, at, pool, backend, trouble, cause, open, ms, stages }) {
  const name = backend === null ? pool : `${pool}/${backend}`
  const what = `${name}: ${TROUBLES[trouble] ?? trouble}, ${open ? 'not over yet' : `for ${length(ms)}`}`
  const counts = stages.reduce((sum, { counts }) => sum + counts.failed, 0)
  const cost = counts > 0 ? `, ${counts} requests failed` : ''
  return make(
    'li',
    { 'data-tint': open ? 'bad' : 'word', title: `Incident ${id}` },
    make('time', { datetime: new Date(at).toISOString() }, moment(at)),
    make('span', { class: 'sign', 'aria-hidden': 'true' }, open ? '✕' : '·'),
    make('span', { class: 'what' }, what + cost),
    make('span', { class: 'why' }, cause),
  )
}
