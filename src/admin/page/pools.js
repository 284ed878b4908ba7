// The pools, each with its figures, who serves, its sites, sources and backends.

import { Backends, isTroubled } from './backends.js'
import { Charts } from './charts.js'
import { byId, make, mark, Rows, say, show } from './dom.js'
import { Failover } from './failover.js'
import { age, length, percent, rate, signature } from './words.js'

/** With more pools than this the charts begin folded. */
const CHARTS_OPEN_MAX = 2

export class Pools {
  #rows
  #latest = { pools: [], wish: { find: '', troubled: false }, nowMs: 0 }

  /** @param hands `change(pool, backend)` and `move(pool, verb)` open dialogs */
  constructor(samples, hands) {
    const again = () => this.again()
    this.#rows = new Rows(byId('pool-list'), ({ name }) => {
      const isOpen = this.#latest.pools.length <= CHARTS_OPEN_MAX
      return new PoolCard(name, { samples, hands, again, isOpen, latest: () => this.#latest })
    })
  }

  update(pools, wish, nowMs) {
    this.#latest = { pools, wish, nowMs }
    show(byId('no-pools'), pools.length === 0)
    this.#rows.update(pools, ({ name }) => name)
    let shown = 0
    this.#rows.each(({ element }) => {
      if (!element.hidden) shown++
    })
    show(byId('no-match'), shown === 0 && pools.length > 0)
  }

  /** With what was told last. */
  again() {
    const { pools, wish, nowMs } = this.#latest
    this.update(pools, wish, nowMs)
  }

  /** The colours are others now. */
  repaint() {
    this.#rows.each((card) => card.repaint())
    this.again()
  }
}

const FIGURES = [
  ['rate', 'Requests/s'],
  ['failing', 'Failed/s'],
  ['p50', 'Median'],
  ['p99', '99 %'],
  ['queued', 'Queued'],
]

class PoolCard {
  element
  #name
  #ports
  #verdict = make('p', { class: 'verdict' })
  #mode = make('span', { class: 'mode' })
  #figures = new Map()
  #failover
  #sites
  #sources
  #removed
  #backends
  #charts

  constructor(name, ports) {
    this.#name = name
    this.#ports = ports
    const { hands, again, isOpen } = ports
    const id = `pool-${Math.random().toString(36).slice(2)}`
    const figures = make('dl', { class: 'facts figures' })
    for (const [key, title] of FIGURES) {
      this.#figures.set(key, make('dd'))
      figures.append(make('div', {}, make('dt', {}, title), this.#figures.get(key)))
    }
    const list = (label) => make('ul', { class: 'list', 'aria-label': label })
    this.#failover = new Failover(hands.move)
    this.#sites = new Rows(list(`Sites of ${name}`), () => new Line(siteText))
    this.#sources = new Rows(list(`Discovery of ${name}`), () => new Line(sourceText))
    this.#removed = new Rows(list(`Backends removed from ${name}`), () => new Line(removedText))
    this.#backends = new Backends(name, hands.change, again)
    this.#charts = new Charts(name, again)
    this.#charts.element.open = isOpen
    this.element = make(
      'article',
      { class: 'pool', 'aria-labelledby': id },
      make('div', { class: 'title' }, make('h3', { id }, name), this.#mode, this.#verdict),
      figures,
      this.#failover.element,
      this.#sites.parent,
      this.#sources.parent,
      this.#backends.element,
      this.#removed.parent,
      this.#charts.element,
    )
  }

  update(pool) {
    const { samples, latest } = this.#ports
    const { wish, nowMs } = latest()
    const { mode, balance, queued, failover, sites, discovery = [], removed } = pool
    const found = samples.pool(this.#name)
    say(this.#mode, mode === 'active-standby' ? mode : `${mode}, ${balance}`)
    const { text, tint } = verdictOf(pool)
    say(this.#verdict, text)
    mark(this.element, 'data-tint', tint)
    const figures = {
      rate: rate(found.rate),
      failing: rate(found.failing),
      p50: found.p50 === null ? '–' : length(found.p50),
      p99: found.p99 === null ? '–' : length(found.p99),
      queued,
    }
    for (const [key, cell] of this.#figures) say(cell, figures[key])
    mark(this.#figures.get('failing'), 'data-tint', found.failing > 0 ? 'bad' : null)
    this.#failover.update(pool, nowMs)
    this.#sites.update(sites, ({ name }) => name)
    this.#sources.update(
      discovery.map((one) => Object.assign({ nowMs }, one)),
      ({ source }) => source,
    )
    this.#removed.update(
      removed.map((signed) => ({ signed, nowMs })),
      ({ signed }) => signed.name,
    )
    const figuresOf = (backend) => samples.backend(this.#name, backend)
    const count = this.#backends.update(pool, figuresOf, wish, nowMs)
    const isAsked = wish.find !== '' || wish.troubled
    show(
      this.element,
      count > 0 || !isAsked || (failover === null && tint === 'bad' && wish.find === ''),
    )
    if (this.#charts.isOpen && !this.element.hidden)
      this.#charts.update(samples.columns(this.#name))
  }

  repaint() {
    this.#charts.repaint()
  }

  remove() {
    this.#charts.remove()
  }
}

/** How the pool is, in a few words. */
function verdictOf({ mode, available, total, minAvailable, failover, backends }) {
  if (mode === 'active-standby' && failover !== null) {
    const ready = failover.standbys.filter((one) => one.ready).length
    if (failover.active === null) return { text: '✕ nobody is active', tint: 'bad' }
    if (available === 0)
      return { text: `✕ ${failover.active} is active and does not serve`, tint: 'bad' }
    const text = `${failover.active} is active, ${ready} of ${failover.standbys.length} standbys ready`
    return ready > 0 ? { text: `● ${text}`, tint: 'good' } : { text: `! ${text}`, tint: 'odd' }
  }
  const count = `${available} of ${total} available`
  if (available === 0) return { text: `✕ ${count}`, tint: 'bad' }
  if (available < minAvailable)
    return { text: `✕ ${count}, fewer than ${minAvailable}`, tint: 'bad' }
  // Who stands by, on the read side or in another site, is as he should be.
  return backends.some(isTroubled)
    ? { text: `! ${count}`, tint: 'odd' }
    : { text: `● ${count}`, tint: 'good' }
}

/** A line of a list: a sign, what it is, and why. */
class Line {
  #tell
  #sign = make('span', { class: 'sign', 'aria-hidden': 'true' })
  #what = make('b')
  #why = make('span', { class: 'why' })
  element = make('li', {}, this.#sign, this.#what, this.#why)

  constructor(tell) {
    this.#tell = tell
  }

  update(item) {
    const { sign, what, why, tint } = this.#tell(item)
    mark(this.element, 'data-tint', tint)
    say(this.#sign, sign)
    say(this.#what, what)
    say(this.#why, why)
  }
}

const SITES = {
  active: ['●', 'good'],
  standby: ['○', 'good'],
  overflow: ['◐', 'odd'],
  left: ['!', 'odd'],
  down: ['✕', 'bad'],
}

function siteText({ name, kind, state, healthy, total, share, reason }) {
  const [sign, tint] = SITES[state] ?? ['?', 'odd']
  const what = `Site ${name} (${kind}): ${state}, ${healthy} of ${total} healthy, ${percent(share)}`
  return { sign, tint, what, why: reason }
}

function sourceText({ source, state, reason, members, refused, answeredAt, nowMs }) {
  const [sign, tint] = { ok: ['●', 'good'], waiting: ['…', 'odd'] }[state] ?? ['!', 'bad']
  const heard = answeredAt === null ? '' : `, last answer ${age(nowMs - answeredAt)} ago`
  const bad = refused > 0 ? `, ${refused} refused` : ''
  return { sign, tint, what: `${source}: ${state}, ${members} members${bad}${heard}`, why: reason }
}

function removedText({ signed, nowMs }) {
  return {
    sign: '–',
    tint: 'odd',
    what: `${signed.name} is removed`,
    why: signature(signed, nowMs),
  }
}
