// Numbers, times and events as people read them.

/** `3 s`, `5 min`, `2 h`, `4 d`. */
export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 90) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 90) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} d`
}

/** A length of time that may be short: `12 ms`, `3.4 s`, else as `age`. */
export function length(ms) {
  if (ms < 1) return `${Math.round(ms * 100) / 100} ms`
  if (ms < 1000) return `${Math.round(ms)} ms`
  return ms < 90_000 ? `${Math.round(ms / 100) / 10} s` : age(ms)
}

/** Per second; `–` where it isn't known. */
export function rate(value) {
  if (value === null) return '–'
  if (value === 0) return '0'
  if (value < 0.1) return '< 0.1'
  return value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en')
}

/** `12 %`; `–` where it isn't known. */
export function percent(value) {
  if (value === null) return '–'
  if (value > 0 && value < 0.01) return '< 1 %'
  return `${Math.round(value * 100)} %`
}

export function clock(ms) {
  return new Date(ms).toLocaleTimeString('en-GB')
}

/** The time, with its day if that isn't today. */
export function moment(ms) {
  const date = new Date(ms)
  const isToday = date.toDateString() === new Date().toDateString()
  return isToday ? clock(ms) : `${date.toLocaleDateString('en-CA')} ${clock(ms)}`
}

/** A state has a sign of its own, so that colour is never the only one. */
export const STATES = {
  available: { mark: '●', tint: 'good' },
  starting: { mark: '◐', tint: 'good' },
  standby: { mark: '○', tint: 'good' },
  probation: { mark: '◔', tint: 'odd' },
  checking: { mark: '…', tint: 'odd' },
  drain: { mark: '▽', tint: 'odd' },
  drained: { mark: '▼', tint: 'odd' },
  maint: { mark: '■', tint: 'odd' },
  weightless: { mark: '◇', tint: 'odd' },
  down: { mark: '✕', tint: 'bad' },
  ejected: { mark: '⊘', tint: 'bad' },
}

/** `kim 5 min ago: new kernel`. */
export function signature({ by, reason, at }, nowMs) {
  return `${by} ${age(nowMs - at)} ago${reason === '' ? '' : `: ${reason}`}`
}

const BE = {
  available: 'is available',
  starting: 'is available, in slow start',
  probation: 'is in probation',
  checking: 'is being checked',
  down: 'is down',
  ejected: 'is ejected',
  drain: 'drains',
  maint: 'is in maintenance',
  weightless: 'has no weight',
  standby: 'stands by',
}

const SITES = {
  left: 'is left',
  returned: 'serves again',
  overflow: 'takes what overflows',
  relieved: 'gets no overflow any more',
}

/** An event as `{ tint, text, why }`. */
export function describe(event) {
  const tellers = {
    transition: ({ transition: { pool, backend, to, reason } }) =>
      line(STATES[to]?.tint ?? 'odd', `${pool}/${backend} ${BE[to] ?? to}`, reason),
    move: ({ pool, report }) => {
      const { kind, outcome, from, to, epoch, by, reason, detectionMs, moveMs } = report
      const way = from === null ? `to ${to}` : `from ${from} to ${to}`
      const took = length(detectionMs + moveMs)
      const tint = outcome !== 'moved' ? 'bad' : kind === 'failover' ? 'odd' : 'good'
      const what = `${pool}: ${kind} ${way} ${outcome} in ${took}, epoch ${epoch}`
      return line(tint, what, by === 'evenkeel' ? reason : `${by}: ${reason}`)
    },
    turn: ({ pool, to, reason }) => line('odd', `${pool} is ${to}`, reason),
    site: ({ pool, news: { site, kind, reason } }) =>
      line(
        kind === 'returned' || kind === 'relieved' ? 'good' : 'odd',
        `${pool}: site ${site} ${SITES[kind] ?? kind}`,
        reason,
      ),
    operator: ({ news: { verb, pool, backend, by, reason, outcome, message, wishes } }) => {
      const where = pool === null ? '' : ` of ${backend === null ? pool : `${pool}/${backend}`}`
      const dry = wishes.dryRun === true ? ' (dry run)' : ''
      const text = `${by} asked for ${verb}${where}${dry}: ${outcome === 'done' ? 'done' : `refused (${outcome})`}`
      return line(
        outcome === 'done' ? 'word' : 'odd',
        text,
        [reason, message].filter(Boolean).join(' – '),
      )
    },
    config: ({ news: { outcome, message, by, source } }) =>
      line(
        outcome === 'refused' || outcome === 'reverted' ? 'bad' : 'word',
        `Configuration ${outcome}`,
        `${message} (${by}, ${source})`,
      ),
    discovery: ({ news: { pool, state, message } }) =>
      line(state === 'failed' ? 'bad' : 'word', `${pool}: discovery ${state}`, message),
    drained: ({ pool, backend, tookMs, cut }) =>
      line(
        'word',
        `${pool}/${backend} is drained`,
        `after ${length(tookMs)}${cut > 0 ? `, ${cut} cut` : ''}`,
      ),
    warning: ({ message, fields }) => line('odd', message, fieldsText(fields)),
    thread: ({ thread, state, message }) =>
      line(state === 'replaced' ? 'good' : 'bad', `Data thread ${thread} ${state}`, message),
    process: ({ state, message }) => line('word', `Evenkeel is ${state}`, message),
  }
  const teller = tellers[event.kind]
  return teller === undefined ? line('word', event.kind, '') : teller(event)
}

function line(tint, text, why) {
  return { tint, text, why }
}

function fieldsText(fields) {
  return Object.entries(fields)
    .map(([key, value]) => `${key} ${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(', ')
}
