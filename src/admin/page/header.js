// The head of the page: what runs, whether traffic may come, which configuration is in force, and how
// old all of this is.

import { byId, make, mark, say } from './dom.js'
import { age, clock, moment } from './words.js'

const STATES = {
  connecting: 'Connecting…',
  live: 'Live',
  polling: 'Not live: asking every 2 s, since events do not come through',
  lost: 'Connection to Evenkeel lost, trying again…',
  token: 'Evenkeel asks for a token',
  paused: 'Paused while the page is hidden',
}

export class Header {
  #facts = new Map()

  /** @param version of the process; @param ready `{ isReady, text }` */
  pulse({ version, pid, uptimeSeconds, threads, node }, { isReady, text }) {
    const word = text.trim()
    const state = isReady ? '● ready' : /drain|stop|end/i.test(word) ? '▽ draining' : '✕ not ready'
    this.#set('State', isReady ? state : `${state}: ${word}`, isReady ? 'good' : 'bad')
    this.#set('Version', version)
    this.#set('Up', age(uptimeSeconds * 1000))
    this.#set('Data threads', threads)
    this.#set('Process', `${pid}, Node ${node}`)
  }

  /** @param status of `/v1/config/status` */
  config({ version, pending, last }) {
    const wait = pending === null ? '' : `, ${fateOf(pending)} unless confirmed`
    const isBad = last !== null && (last.outcome === 'refused' || last.outcome === 'reverted')
    const bad = isBad ? `, the last reload was ${last.outcome} at ${moment(last.at)}` : ''
    const tint = isBad ? 'bad' : pending === null ? null : 'odd'
    this.#set('Configuration', `${version.slice(0, 12)}${wait}${bad}`, tint)
  }

  /** How the connection is. */
  state(state) {
    mark(byId('contact'), 'data-state', state)
    mark(document.body, 'data-contact', state)
    say(byId('contact-state'), STATES[state])
  }

  /** @param heardMs when Evenkeel was last heard of, ms of `performance.now()` */
  tick(state, heardMs) {
    const silentMs = performance.now() - heardMs
    const at = clock(Date.now() - silentMs)
    const isFresh = state === 'live' || state === 'polling'
    const text = isFresh ? `as of ${at}` : `What you see is ${age(silentMs)} old (${at}).`
    say(byId('contact-age'), state === 'connecting' ? '' : text)
  }

  #set(name, text, tint = null) {
    let fact = this.#facts.get(name)
    if (fact === undefined) {
      fact = make('dd')
      this.#facts.set(name, fact)
      byId('process').append(make('div', {}, make('dt', {}, name), fact))
    }
    say(fact, text)
    mark(fact, 'data-tint', tint)
  }
}

function fateOf({ revertsInMs, trouble }) {
  if (trouble === null) return `taken back in ${age(revertsInMs)}`
  return `could not be taken back yet (${trouble}) and is tried again`
}
