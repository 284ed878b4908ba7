// The dashboard: puts together what is heard and what is shown. Figures are taken once a second from the
// latest state, whatever pace it came at.

import { ChangeDialog } from './change-dialog.js'
import { Connection, read } from './connection.js'
import { byId, say, show } from './dom.js'
import { Events } from './events.js'
import { Header } from './header.js'
import { Incidents } from './incidents.js'
import { MoveDialog } from './move-dialog.js'
import { Pools } from './pools.js'
import { Samples } from './samples.js'
import { TokenDialog } from './token-dialog.js'

const THEME_KEY = 'evenkeel-theme'
const TICK_MS = 1_000
/** What was done stands in the time line, too. */
const RESULT_MS = 20_000

const samples = new Samples()
const header = new Header()
const events = new Events()
const incidents = new Incidents()
/** The pools as they were told last; `null` before that. */
let latest = null
/** Evenkeel's wall clock less ours, ms. */
let offsetMs = 0
let isConfigDue = true
let resultTimer = 0

const done = (message) => {
  say(byId('result'), message)
  show(byId('result'), true)
  clearTimeout(resultTimer)
  resultTimer = setTimeout(() => show(byId('result'), false), RESULT_MS)
  connection.refresh()
}
const changing = new ChangeDialog(done)
const moving = new MoveDialog(done)
const asking = new TokenDialog(() => connection.retry())
const pools = new Pools(samples, {
  change: (pool, backend) => changing.open(pool, backend),
  move: (pool, verb) => moving.open(pool, verb),
})

function wish() {
  return { find: byId('find').value.trim().toLowerCase(), troubled: byId('troubled').checked }
}

function draw() {
  if (latest !== null) pools.update(latest, wish(), Date.now() + offsetMs)
}

/** Ages grow between two answers; the moments that they began at do not. */
function dateAges(told, nowMs) {
  for (const { backends, failover, discovery = [] } of told) {
    for (const one of failover === null ? backends : [...backends, failover]) {
      one.sinceAt = nowMs - one.sinceMs
    }
    for (const one of discovery) {
      one.answeredAt = one.answeredMs === null ? null : nowMs - one.answeredMs
    }
  }
}

/** A reload may have another configuration in force. */
async function lookAtConfig() {
  if (!isConfigDue) return
  isConfigDue = false
  try {
    const { status, body } = await read('/v1/config/status')
    if (status === 200) header.config(body)
    isConfigDue = status === 200 && body.pending !== null
  } catch {
    isConfigDue = true
  }
}

const connection = new Connection({
  status(told, at) {
    if (at !== null) offsetMs = at - Date.now()
    latest = told
    dateAges(told, Date.now() + offsetMs)
    draw()
  },
  event(event) {
    events.add(event)
    if (event.kind === 'config') isConfigDue = true
    connection.refresh()
    incidents.soon()
  },
  gap: () => events.gap(),
  pulse(version, ready) {
    header.pulse(version, ready)
    void lookAtConfig()
    void incidents.look()
  },
  state(state) {
    header.state(state)
    header.tick(state, connection.heardMs)
    if (state === 'live' || state === 'connecting') isConfigDue = true
  },
  token: (isWrong) => asking.open(isWrong),
})

setInterval(() => {
  const { state, heardMs } = connection
  header.tick(state, heardMs)
  if (latest === null || (state !== 'live' && state !== 'polling')) return
  samples.add(performance.now() / 1000, latest)
  draw()
}, TICK_MS)

byId('find').addEventListener('input', draw)
byId('troubled').addEventListener('change', draw)
byId('token').addEventListener('click', () => asking.open(false))

const theme = byId('theme')
const paint = () => {
  document.documentElement.dataset.theme = theme.value
  pools.repaint()
}
theme.value = localStorage.getItem(THEME_KEY) ?? ''
theme.addEventListener('change', () => {
  localStorage.setItem(THEME_KEY, theme.value)
  paint()
})
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paint)
paint()
