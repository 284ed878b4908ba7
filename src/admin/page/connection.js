// The way to Evenkeel: events as they happen over a stream, by asking again and again where a stream
// does not come through, and every few seconds the question whether it is still there. Knows when it is
// lost. The token lives in this tab's session alone, and goes into a header, never into an address.

const TOKEN_KEY = 'evenkeel-token'
/** How long an answer may take before the connection counts as lost, ms. */
const PATIENCE_MS = 4_000
const PULSE_MS = 2_500
const RETRY_MS = 1_000
/** The same after a stream that had been there: another process may go on with the address. */
const AGAIN_MS = 50
/** Until there is another token nothing is asked; `retry` wakes. */
const TOKEN_MS = 3_600_000
const POLL_MS = 2_000
/** A stream that says nothing for so long, though the server lives, does not come through. */
const SILENCE_MS = 20_000
/** The first status comes at once where a stream comes through. */
const FIRST_MS = 3_000
/** How long polling goes on before a stream is tried again. */
const POLLING_MS = 30_000
/** A page that nobody sees gives its place back after so long. */
const HIDDEN_MS = 30_000
/** Shortest time between two questions that events give rise to. */
const REFRESH_MS = 250

export function hasToken() {
  return sessionStorage.getItem(TOKEN_KEY) !== null
}

export function keepToken(token) {
  if (token === '') sessionStorage.removeItem(TOKEN_KEY)
  else sessionStorage.setItem(TOKEN_KEY, token)
}

function headers(more) {
  const token = sessionStorage.getItem(TOKEN_KEY)
  return token === null ? more : { ...more, authorization: `Bearer ${token}` }
}

/** Reads a path: `{ status, body }`; the body is JSON, or a text. @throws when there is no answer */
export async function read(path) {
  const signal = AbortSignal.timeout(PATIENCE_MS)
  return readBody(await fetch(path, { headers: headers({}), signal, cache: 'no-store' }))
}

/** Asks for a change; waits as long as the change takes. @throws when there is no answer */
export async function change(path, wish) {
  const body = JSON.stringify(wish)
  const own = headers({ 'content-type': 'application/json' })
  return readBody(await fetch(path, { method: 'POST', headers: own, body }))
}

/** Without a token the API does not answer to each name that the page may have come under: 421. */
function isTokenAsked(status) {
  return status === 401 || status === 421
}

async function readBody(response) {
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  const body = isJson ? await response.json() : await response.text()
  return { status: response.status, body }
}

export class Connection {
  /** `connecting`, `live`, `polling`, `lost`, `token` or `paused`. */
  state = 'connecting'
  /** When Evenkeel was last heard of, ms of `performance.now()`. */
  heardMs = performance.now()
  #hears
  #stream = null
  #last = null
  #wake = null
  #refreshing = false
  #isToldOfToken = false

  /** @param hears `status(pools, at)`, `event(event)`, `gap()`, `pulse(version, ready)`,
   *   `state(state)`, `token(isWrong)` */
  constructor(hears) {
    this.#hears = hears
    document.addEventListener('visibilitychange', () => this.#look())
    setInterval(() => void this.#pulse(), PULSE_MS)
    void this.#pulse()
    void this.#run()
  }

  /** Something has changed: asks for the pools now, but not too often. */
  refresh() {
    if (this.#refreshing) return
    this.#refreshing = true
    setTimeout(async () => {
      try {
        const { status, body } = await read('/v1/pools')
        if (status === 200) this.#tell(body.pools, null)
      } catch {
        // The pulse tells of it.
      }
      this.#refreshing = false
    }, REFRESH_MS)
  }

  /** Tries again at once: there is another token. */
  retry() {
    this.#isToldOfToken = false
    this.#become('connecting')
    this.#stream?.abort()
    this.#wake?.()
    void this.#pulse()
  }

  async #run() {
    for (;;) {
      if (document.hidden && this.state === 'paused') await this.#sleep(HIDDEN_MS)
      else {
        const how = await this.#follow()
        if (how === 'silent') await this.#poll()
        else if (how === 'token') await this.#sleep(TOKEN_MS)
        else await this.#sleep(how === 'ended' ? AGAIN_MS : RETRY_MS)
      }
    }
  }

  /** Reads a stream to its end, and says why it ended: `ended`, `failed`, `silent`, `token`. */
  async #follow() {
    const abort = new AbortController()
    this.#stream = abort
    let why = 'failed'
    const giveUp = (reason) => () => {
      why = reason
      abort.abort()
    }
    let timer = setTimeout(giveUp('failed'), PATIENCE_MS)
    try {
      const own = headers(this.#last === null ? {} : { 'last-event-id': this.#last })
      const path = '/v1/events?status=true&since=0'
      const response = await fetch(path, { headers: own, signal: abort.signal, cache: 'no-store' })
      clearTimeout(timer)
      if (isTokenAsked(response.status)) return this.#refused()
      if (response.status !== 200) return 'silent'
      why = 'ended'
      timer = setTimeout(giveUp('silent'), FIRST_MS)
      for await (const text of blocks(response.body)) {
        clearTimeout(timer)
        timer = setTimeout(giveUp('silent'), SILENCE_MS)
        this.#isToldOfToken = false
        this.#take(text)
      }
    } catch {
      // Cut, or given up.
    }
    clearTimeout(timer)
    if (why === 'failed' && this.state !== 'paused') this.#become('lost')
    return why
  }

  #take(block) {
    this.#hear('live')
    const { id, event, data } = fields(block)
    if (data === undefined) return
    if (event === 'gap') {
      this.#hears.gap()
      return
    }
    const value = JSON.parse(data)
    if (event === 'status') this.#tell(value.pools, value.at)
    else {
      this.#last = id
      this.#hears.event(value)
    }
  }

  async #poll() {
    const until = performance.now() + POLLING_MS
    while (performance.now() < until && !document.hidden && this.state !== 'token') {
      try {
        const { status, body } = await read('/v1/pools')
        if (isTokenAsked(status)) this.#refused()
        if (status === 200) {
          this.#hear('polling')
          this.#tell(body.pools, null)
          const recent = await read('/v1/events/recent?limit=200')
          for (const event of recent.body.events ?? []) this.#hears.event(event)
        }
      } catch {
        this.#become('lost')
      }
      await this.#sleep(POLL_MS)
    }
  }

  async #pulse() {
    if (this.state === 'token' || this.state === 'paused') return
    try {
      const [version, ready] = await Promise.all([read('/v1/version'), read('/readyz')])
      if (isTokenAsked(version.status)) {
        this.#refused()
        return
      }
      this.heardMs = performance.now()
      this.#hears.pulse(version.body, { isReady: ready.status === 200, text: ready.body })
    } catch {
      this.#stream?.abort()
      if (this.state !== 'token') this.#become('lost')
    }
  }

  #refused() {
    this.#become('token')
    if (!this.#isToldOfToken) this.#hears.token(hasToken())
    this.#isToldOfToken = true
    return 'token'
  }

  #look() {
    if (!document.hidden) {
      if (this.state === 'paused') this.#become('connecting')
      this.#wake?.()
      void this.#pulse()
      return
    }
    setTimeout(() => {
      if (!document.hidden || this.state === 'token') return
      this.#become('paused')
      this.#stream?.abort()
    }, HIDDEN_MS)
  }

  #tell(pools, at) {
    this.#hears.status(pools, at)
  }

  #hear(state) {
    this.heardMs = performance.now()
    this.#become(state)
  }

  #become(state) {
    if (this.state === state) return
    this.state = state
    this.#hears.state(state)
  }

  #sleep(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

/** The blocks of an event stream (WHATWG HTML §9.2.5); the server ends lines with a newline alone. */
async function* blocks(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const parts = (rest + value).split('\n\n')
    rest = parts.pop()
    yield* parts
  }
}

function fields(block) {
  const found = {}
  for (const line of block.split('\n')) {
    const at = line.indexOf(': ')
    if (at > 0) found[line.slice(0, at)] = line.slice(at + 2)
  }
  return found
}
