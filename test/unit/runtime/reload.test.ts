import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { ConfigNews } from '../../../src/core/events.ts'
import type { ListenerPlan, Plan } from '../../../src/core/plan.ts'
import type { ConfigFinding, ReloadAnswer, ReloadWish } from '../../../src/core/reload.ts'
import { parseConfig } from '../../../src/config/load.ts'
import { PlanKeeper } from '../../../src/runtime/plan-keeper.ts'
import { Reloader } from '../../../src/runtime/reload.ts'
import { planOf } from '../../support/plans.ts'

const one = `
listeners: { front: { bind: ":8080", pool: web } }
pools: { web: { backends: { a: "10.0.0.1:80", b: "10.0.0.2:80" } } }
`
const two = one.replace('b: "10.0.0.2:80"', 'c: "10.0.0.3:80"')
const three = one.replace(', b: "10.0.0.2:80"', '')
const broken = one.replace('backends', 'backend')

class World {
  /** What the process would read. */
  file = one
  /** Reading it throws. */
  broken = false
  nowMs = 1_000_000
  readonly news: ConfigNews[] = []
  readonly findings: [string, ConfigFinding][] = []
  readonly keeper = new PlanKeeper({ configured: planOf(one) })
  readonly reloader: Reloader
  refusal: string | null = null
  /** Resolves when a plan may be applied. */
  gate: Promise<void> = Promise.resolve()
  #timer: { atMs: number; fire: () => void } | null = null

  constructor() {
    const load = (text: string, file: string) => parseConfig(text, { file, env: {} })
    this.reloader = new Reloader({
      keeper: this.keeper,
      origin: {
        name: 'evenkeel.yaml',
        file: 'evenkeel.yaml',
        read: () => {
          if (this.broken) throw new Error('bug')
          return load(this.file, 'evenkeel.yaml')
        },
        readText: load,
      },
      clock: {
        wallMs: () => this.nowMs,
        after: (ms, fire) => {
          this.#timer = { atMs: this.nowMs + ms, fire }
          return () => (this.#timer = null)
        },
      },
      onNews: (news) => this.news.push(news),
      onFinding: (severity, finding) => this.findings.push([severity, finding]),
      leaving: ({ pools }) =>
        pools.changed.flatMap(({ name, backends }) =>
          backends.removed.map((backend) => {
            return { kind: 'backend' as const, name: `${name}/${backend}`, sessions: 3 }
          }),
        ),
    })
    this.keeper.begin(
      { listeners: 9, pools: 9, slots: 99 },
      {
        refusal: () => this.refusal,
        settle: async (listener: ListenerPlan) => listener,
        prepare: () => {},
        apply: () => this.gate,
        failed: assert.fail,
      },
    )
  }

  hup(wish: Partial<ReloadWish> = {}): Promise<ReloadAnswer> {
    return this.reloader.reload({ source: 'signal', by: 'signal', ...wish })
  }

  async pass(ms: number): Promise<void> {
    this.nowMs += ms
    const timer = this.#timer
    if (timer === null || timer.atMs > this.nowMs) return
    this.#timer = null
    timer.fire()
    await setImmediate()
  }

  get backends(): string {
    return names(this.keeper.plan)
  }
}

function names({ pools }: Plan): string {
  return pools[0]!.backends.map(({ name }) => name).join(' ')
}

function codeOf(answer: ReloadAnswer): string {
  return answer.outcome === 'refused' ? answer.code : answer.outcome
}

test('a changed file is applied, and everybody hears of it once', async () => {
  const world = new World()
  const before = world.reloader.status
  world.file = two
  const answer = await world.hup()
  const { version, etag } = world.reloader.status
  const message = 'configuration applied: 1 pool changed, 1 backend added, 1 backend removed'
  assert.deepEqual(
    { ...answer, changes: null },
    {
      outcome: 'applied',
      message,
      version,
      revertsInMs: null,
      changes: null,
      leaving: [{ kind: 'backend', name: 'web/b', sessions: 3 }],
      drainMs: 8_000,
      warnings: [],
    },
  )
  assert.equal(world.backends, 'a c')
  assert.notEqual(version, before.version)
  assert.notEqual(etag, before.etag)
  assert.deepEqual(world.news, [
    { outcome: 'applied', source: 'signal', by: 'signal', message, version },
  ])
  assert.deepEqual(world.reloader.status.last, {
    outcome: 'applied',
    source: 'signal',
    by: 'signal',
    message,
    at: 1_000_000,
  })
})

test('an unchanged file changes nothing', async () => {
  const world = new World()
  const { etag } = world.reloader.status
  assert.equal((await world.hup()).outcome, 'unchanged')
  assert.equal(world.reloader.status.etag, etag)
  assert.deepEqual(
    world.news.map(({ outcome }) => outcome),
    ['unchanged'],
  )
})

test('a broken file changes nothing and is told with its position', async () => {
  const world = new World()
  world.file = broken
  await world.pass(5)
  const answer = await world.hup()
  assert.equal(codeOf(answer), 'config-invalid')
  assert.equal(world.backends, 'a b')
  const [first] = answer.outcome === 'refused' ? answer.errors : []
  assert.deepEqual(
    [first?.file, first?.line, first?.column, first?.path],
    ['evenkeel.yaml', 3, 17, 'pools.web.backend'],
  )
  assert.match(
    answer.message,
    /^configuration refused: evenkeel\.yaml:3:17: pools\.web\.backend: there is no such key/,
  )
  assert.deepEqual(world.findings[0], ['error', first])
  assert.deepEqual(
    world.news.map(({ outcome }) => outcome),
    ['refused'],
  )
  assert.deepEqual(world.reloader.lastGood, { isLast: false, at: 1_000_000 })
  world.file = one
  await world.hup()
  assert.deepEqual(world.reloader.lastGood, { isLast: true, at: 1_000_005 })
})

test('a setting that the process is built on refuses the whole configuration', async () => {
  const world = new World()
  world.file = `${two}runtime: { threads: 3 }\n`
  const answer = await world.hup()
  assert.equal(codeOf(answer), 'config-refused')
  assert.equal(
    answer.message,
    "configuration refused: runtime.threads can't be changed by a reload (auto to 3): restart Evenkeel",
  )
  assert.equal(world.backends, 'a b')
})

test('what would not be safe now is refused in the words of who judges that', async () => {
  const world = new World()
  world.file = two
  world.refusal = "pool 'web' is moving"
  const answer = await world.hup()
  assert.equal(codeOf(answer), 'refused')
  assert.equal(answer.message, "configuration refused: pool 'web' is moving")
})

test('a text is applied like a file, and errors in it are told by its name', async () => {
  const world = new World()
  assert.equal((await world.hup({ text: two })).outcome, 'applied')
  assert.equal(world.backends, 'a c')
  const answer = await world.hup({ text: broken, name: 'stdin' })
  assert.match(answer.message, /refused: stdin:3:17:/)
})

test("a dry run tells what would be, and is nobody's news", async () => {
  const world = new World()
  const planned = await world.hup({ text: two, dryRun: true })
  assert.equal(
    planned.message,
    'the configuration would be applied: 1 pool changed, 1 backend added, 1 backend removed',
  )
  assert.equal(planned.outcome, 'planned')
  assert.deepEqual(planned.leaving, [{ kind: 'backend', name: 'web/b', sessions: 3 }])
  assert.equal((await world.hup({ dryRun: true })).outcome, 'unchanged')
  assert.equal(codeOf(await world.hup({ text: broken, dryRun: true })), 'config-invalid')
  world.refusal = 'no'
  assert.equal(codeOf(await world.hup({ text: two, dryRun: true })), 'refused')
  assert.equal(world.backends, 'a b')
  assert.deepEqual([world.news, world.findings, world.reloader.status.last], [[], [], null])
})

test('what is not confirmed in time is taken back', async () => {
  const world = new World()
  const before = world.reloader.status.version
  world.file = two
  const answer = await world.hup({ confirmMs: 60_000 })
  assert.equal(answer.revertsInMs, 60_000)
  assert.match(answer.message, /; it is taken back in 1m unless it is confirmed$/)
  await world.pass(20_000)
  assert.deepEqual(world.reloader.status.pending, {
    by: 'signal',
    revertsAt: 1_060_000,
    revertsInMs: 40_000,
    previous: before,
    trouble: null,
  })
  assert.equal(world.backends, 'a c')
  await world.pass(40_000)
  assert.equal(world.backends, 'a b')
  assert.equal(world.reloader.status.pending, null)
  assert.equal(world.reloader.status.version, before)
  assert.deepEqual(
    world.news.map(({ outcome, source }) => `${outcome} ${source}`),
    ['applied signal', 'reverted timeout'],
  )
  assert.equal(world.reloader.lastGood.isLast, false)
})

test('meanwhile another configuration is refused, but what would be can be asked', async () => {
  const world = new World()
  await world.hup({ text: two, confirmMs: 60_000 })
  const answer = await world.hup({ text: three })
  assert.equal(codeOf(answer), 'busy')
  assert.match(answer.message, /waits for its confirmation and is taken back in 1m; confirm it/)
  assert.equal((await world.hup({ text: three, dryRun: true })).outcome, 'planned')
  assert.equal(world.backends, 'a c')
})

test('what was taken back does not come again because the file holds it still', async () => {
  const world = new World()
  const watch = { source: 'file', by: 'file watch' } as const
  world.file = two
  await world.hup({ confirmMs: 60_000 })
  await world.pass(60_000)
  assert.equal(world.backends, 'a b')
  assert.equal((await world.hup({ ...watch, dryRun: true })).outcome, 'unchanged')
  assert.equal((await world.hup(watch)).outcome, 'unchanged')
  assert.equal(world.backends, 'a b')
  world.file = three
  assert.equal((await world.hup(watch)).outcome, 'applied')
  world.file = two
  assert.equal((await world.hup(watch)).outcome, 'applied')
})

test('what is taken back brings back the members that it had ended the discovery of', async () => {
  const world = new World()
  const found = one.replace(
    '" } } }',
    '" }, discovery: { dns: { name: api.internal, port: 80 } } } }',
  )
  assert.equal((await world.hup({ text: found })).outcome, 'applied')
  const address = { kind: 'tcp', host: '10.0.0.9', port: 80 } as const
  await world.keeper.setMembers('web', [{ name: 'm', address }])
  assert.equal(world.backends, 'a b m')
  await world.hup({ text: one, confirmMs: 60_000 })
  assert.equal(world.backends, 'a b')
  await world.pass(60_000)
  assert.equal(world.backends, 'a b m')
})

test('whoever asks first is answered before the next one is done', async () => {
  const world = new World()
  let open!: () => void
  world.gate = new Promise((done) => (open = done))
  const first = world.hup({ text: two })
  const second = world.hup({ text: three })
  await setImmediate()
  const openFirst = open
  world.gate = new Promise((done) => (open = done))
  openFirst()
  assert.equal((await first).outcome, 'applied')
  assert.equal(world.backends, 'a')
  open()
  assert.equal((await second).outcome, 'applied')
})

test('what is confirmed stays', async () => {
  const world = new World()
  assert.equal(world.reloader.confirm('kim').ok, false)
  await world.hup({ text: two, confirmMs: 60_000 })
  assert.equal(world.reloader.confirm('kim').ok, true)
  await world.pass(60_000)
  assert.equal(world.backends, 'a c')
  assert.equal(world.reloader.status.pending, null)
  assert.equal((await world.hup({ text: three })).outcome, 'applied')
  assert.deepEqual(
    world.news.map(({ outcome, by }) => `${outcome} ${by}`),
    ['applied signal', 'confirmed kim', 'applied signal'],
  )
})

test('what waits for its confirmation can be taken back at once', async () => {
  const world = new World()
  assert.equal((await world.reloader.revert('kim')).ok, false)
  await world.hup({ text: two, confirmMs: 60_000 })
  assert.equal((await world.reloader.revert('kim')).ok, true)
  assert.equal(world.backends, 'a b')
  await world.pass(60_000)
  assert.equal(world.news.length, 2)
})

test('taking back is tried until it works, and told once', async () => {
  const world = new World()
  await world.hup({ text: two, confirmMs: 1_000 })
  world.refusal = 'a move is in progress'
  await world.pass(1_000)
  await world.pass(1_000)
  assert.equal(world.backends, 'a c')
  assert.equal(world.news.length, 2)
  assert.match(world.news[1]!.message, /could not be taken back: a move is in progress$/)
  assert.equal(world.reloader.status.pending?.trouble, 'a move is in progress')
  const { message } = await world.hup()
  assert.match(
    message,
    /was not confirmed and could not be taken back yet: a move is in progress; clear that away, or keep it \(evenkeel confirm\)$/,
  )
  world.refusal = 'the port is taken'
  await world.pass(1_000)
  assert.match(world.news.at(-1)!.message, /could not be taken back: the port is taken$/)
  world.refusal = null
  await world.pass(1_000)
  assert.equal(world.backends, 'a b')
})

test('while it is being taken back it can be confirmed no more', async () => {
  const world = new World()
  await world.hup({ text: two, confirmMs: 1_000 })
  let open = (): void => {}
  world.gate = new Promise((resolve) => (open = resolve))
  await world.pass(1_000)
  assert.deepEqual(world.reloader.confirm('kim'), {
    ok: false,
    message: 'it is being taken back just now',
  })
  open()
  await setImmediate()
  assert.equal(world.backends, 'a b')
})

test('the time to confirm has bounds', async () => {
  const world = new World()
  for (const confirmMs of [0, 999, 86_400_001, NaN, Infinity]) {
    const answer = await world.hup({ text: two, confirmMs })
    assert.equal(answer.message, 'the time to confirm goes from 1s to 1d')
  }
  assert.equal(world.backends, 'a b')
})

test('an unchanged configuration needs no confirmation', async () => {
  const world = new World()
  assert.equal((await world.hup({ confirmMs: 60_000 })).outcome, 'unchanged')
  assert.equal(world.reloader.status.pending, null)
})

test('reloads come one at a time, and of those that wait the latest counts', async () => {
  const world = new World()
  let open = (): void => {}
  world.gate = new Promise((resolve) => (open = resolve))
  const first = world.hup({ text: two })
  const second = world.hup({ text: three })
  world.file = two
  const third = world.hup()
  const fourth = world.hup()
  world.file = three
  const fifth = world.hup()
  await setImmediate()
  open()
  const answers = await Promise.all([first, second, third, fourth, fifth])
  assert.deepEqual(answers.map(codeOf), ['applied', 'busy', 'applied', 'applied', 'applied'])
  assert.equal(answers[3], answers[4])
  assert.equal(world.backends, 'a')
  assert.equal(world.news.filter(({ outcome }) => outcome === 'applied').length, 2)
})

test('a change that was made for a certain configuration does not come after another one', async () => {
  const world = new World()
  const { etag } = world.reloader.status
  let open = (): void => {}
  world.gate = new Promise((resolve) => (open = resolve))
  const first = world.hup({ text: two, etags: [etag] })
  const second = world.hup()
  const third = await world.hup({ text: three, etags: [etag] })
  assert.equal(codeOf(third), 'busy')
  assert.match(third.message, /another one is coming into force just now/)
  open()
  assert.equal(codeOf(await first), 'applied')
  assert.equal(codeOf(await second), 'applied', 'who waited has not been pushed out')
  const again = await world.hup({ text: three, etags: [etag] })
  assert.equal(codeOf(again), 'changed')
  const now = world.reloader.status.etag
  assert.equal(again.message, `The configuration in force is ${now}, not ${etag}: read it again.`)
  assert.equal(world.backends, 'a b')
  assert.equal(world.reloader.lastGood.isLast, true)
  assert.equal(codeOf(await world.hup({ text: three, etags: ['"0-0"', now] })), 'applied')
})

test('an error of our own while reading refuses, and the next reload works', async () => {
  const world = new World()
  world.broken = true
  const answer = await world.hup()
  assert.equal(codeOf(answer), 'refused')
  assert.match(answer.message, /^configuration refused: an internal error: Error: bug/)
  world.broken = false
  world.file = two
  assert.equal((await world.hup()).outcome, 'applied')
})

test('a secret changes the entity tag and not the version', async () => {
  const world = new World()
  const withSecret = (secret: string): string =>
    one.replace('backends:', `healthCheck: { redis: { password: ${secret} } }, backends:`)
  await world.hup({ text: withSecret('one') })
  const before = world.reloader.status
  const answer = await world.hup({ text: withSecret('two') })
  assert.equal(answer.outcome, 'applied')
  assert.equal(world.reloader.status.version, before.version)
  assert.notEqual(world.reloader.status.etag, before.etag)
  assert.doesNotMatch(JSON.stringify([answer, world.news]), /two/)
})
