import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { after, test } from 'node:test'
import { parse, stringify } from 'yaml'
import type { EffectiveConfig } from '../../src/admin/config-routes.ts'
import type { ConfigStatus } from '../../src/core/reload.ts'
import type { PoolStatus } from '../../src/core/status.ts'
import { startBackend } from '../support/backend.ts'
import type { Evenkeel } from '../support/evenkeel.ts'
import { mainFile, startEvenkeel } from '../support/evenkeel.ts'
import { freePort, isListening } from '../support/ports.ts'
import { runProcess } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

const one = await startBackend({ name: 'one' })
const two = await startBackend({ name: 'two' })
after(() => Promise.all([one.stop(), two.stop()]))

const healthCheck = { http: '/health', interval: '1s', fastInterval: '100ms', rise: 1 }

function poolWith(...backends: { name: string; address: string }[]) {
  const entries = backends.map(({ name, address }) => [name, address])
  return { web: { backends: Object.fromEntries(entries), healthCheck } }
}

const config = { listeners: { front: { pool: 'web' } }, pools: poolWith(one) }
const shared = await startEvenkeel(config)
const original = readFileSync(shared.file, 'utf8')
after(() => shared.stop(0))

/** The one that most tests share, as it was in the beginning. */
async function fresh(): Promise<Evenkeel> {
  writeFileSync(shared.file, original)
  await reload(shared)
  await waitFor(async () => (await get(shared.url())) === '200 one')
  return shared
}

/** Has it read its file again, and tells how that ended. */
async function reload({ adminUrl }: Evenkeel, body: object = {}) {
  const response = await fetch(`${adminUrl}/v1/config/reload`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const problem = (await response.json()) as Record<string, unknown>
  return { status: response.status, problem }
}

type Tree = Record<string, Record<string, Record<string, unknown>>>

/** Writes the file anew, as an editor would: another file in its place. */
function edit({ file }: Evenkeel, change: (tree: Tree) => void): void {
  const tree = parse(readFileSync(file, 'utf8')) as Tree
  change(tree)
  writeFileSync(`${file}.new`, stringify(tree))
  renameSync(`${file}.new`, file)
}

async function cli(evenkeel: Evenkeel, ...words: string[]) {
  const target = ['--admin', evenkeel.adminUrl.slice('http://'.length)]
  const { code, stdout, stderr } = await runProcess(
    process.execPath,
    [mainFile, ...words, ...target],
    { env: { NO_COLOR: '1', SUDO_USER: 'kim' } },
  )
  return { code, stdout, stderr }
}

async function get(url: string): Promise<string> {
  const response = await fetch(url)
  return `${response.status} ${await response.text()}`
}

async function statusOf(evenkeel: Evenkeel): Promise<ConfigStatus> {
  const { adminUrl, process } = evenkeel
  if (!process.isRunning()) throw new Error(`it has ended: ${evenkeel.logs()}`)
  return (await (await fetch(`${adminUrl}/v1/config/status`)).json()) as ConfigStatus
}

async function poolsOf({ adminUrl }: Evenkeel): Promise<readonly PoolStatus[]> {
  const { pools } = (await (await fetch(`${adminUrl}/v1/pools`)).json()) as {
    pools: readonly PoolStatus[]
  }
  return pools
}

async function metric({ adminUrl }: Evenkeel, name: string): Promise<number> {
  const page = await (await fetch(`${adminUrl}/metrics`)).text()
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(page)?.[1])
}

const healthy = { what: 'the new backend to serve' }

test('HUP applies the changed file, and what is kept keeps its health and its counts', async () => {
  const evenkeel = await fresh()
  await waitFor(async () => (await get(evenkeel.url())) === '200 one')
  edit(evenkeel, (tree) => {
    tree['pools'] = poolWith(one, two)
  })
  evenkeel.process.signal('SIGHUP')
  await waitFor(async () => (await get(evenkeel.url())) === '200 two', healthy)
  const [pool] = await poolsOf(evenkeel)
  assert.deepEqual(
    pool?.backends.map(({ name, health }) => [name, health]),
    [
      ['one', 'up'],
      ['two', 'up'],
    ],
  )
  assert.ok(pool.backends[0]!.attempts > 0)
  const { last, source } = await statusOf(evenkeel)
  assert.equal(source, evenkeel.file)
  assert.deepEqual(
    [last?.outcome, last?.source, last?.message],
    ['applied', 'signal', 'configuration applied: 1 pool changed, 1 backend added'],
  )
  assert.equal(await metric(evenkeel, 'evenkeel_config_last_reload_successful'), 1)
})

test('a broken file changes nothing and is told with its position everywhere', async () => {
  const evenkeel = await fresh()
  const before = await statusOf(evenkeel)
  edit(evenkeel, (tree) => {
    tree['pools']!['web']!['balanse'] = 'round-robin'
  })
  const line =
    readFileSync(evenkeel.file, 'utf8')
      .split('\n')
      .findIndex((text) => text.includes('balanse')) + 1
  const { code, stdout, stderr } = await cli(evenkeel, 'reload')
  const where = `${evenkeel.file}:${line}:5`
  assert.equal(
    stderr,
    `${where}: error: pools.web.balanse: there is no such key\n  hint: did you mean balance?\n` +
      'evenkeel: configuration refused; nothing changed\n',
  )
  assert.deepEqual([code, stdout], [1, ''])
  // The command may end before the last line of the log is here.
  const refused = /configuration refused: .*: pools\.web\.balanse: there is no such key/
  await waitFor(() => refused.test(evenkeel.logs()))
  const finding = /"level":"error".*"path":"pools\.web\.balanse","line":\d+,"column":5/
  assert.match(evenkeel.logs(), finding)
  const { status: code2, problem } = await reload(evenkeel)
  assert.deepEqual(
    [code2, problem['code'], problem['errors']],
    [
      422,
      'config-invalid',
      [
        {
          file: evenkeel.file,
          path: 'pools.web.balanse',
          line,
          column: 5,
          message: 'there is no such key',
          hint: 'did you mean balance?',
        },
      ],
    ],
  )
  assert.equal(await metric(evenkeel, 'evenkeel_config_last_reload_successful'), 0)
  const status = await statusOf(evenkeel)
  assert.deepEqual([status.version, status.etag], [before.version, before.etag])
  assert.equal(await get(evenkeel.url()), '200 one')
})

test('what a file says cannot steer the terminal of whoever compares or reloads it', async () => {
  const evenkeel = await fresh()
  const otlp = { endpoint: 'http://127.0.0.1:1', service: '\u001b[31mred' }
  edit(evenkeel, (tree) => {
    tree['tracing'] = { otlp }
  })
  for (const verb of ['diff', 'reload']) {
    const { stdout, stderr } = await cli(evenkeel, verb)
    assert.match(stdout, /^~ tracing\.otlp\.service \(not set\) -> \?\[31mred$/m, stderr)
  }
})

test('a command finds the process though the file that tells where it is has errors', async () => {
  const evenkeel = await fresh()
  writeFileSync(evenkeel.file, `${readFileSync(evenkeel.file, 'utf8')}bogus: 1\n`)
  const words = [mainFile, 'reload', '-c', evenkeel.file]
  const { code, stderr } = await runProcess(process.execPath, words)
  assert.equal(code, 1)
  assert.match(stderr, /: error: bogus: there is no such key/)
  assert.equal((await statusOf(evenkeel)).last?.outcome, 'refused')
})

test('what cannot be asked for is said before anybody is asked', async () => {
  const short = await cli(shared, 'reload', '--confirm', '100ms')
  const range = 'evenkeel: --confirm 100ms: use 1s to 1d\n'
  assert.deepEqual(short, { code: 2, stdout: '', stderr: range })
  const file = `${shared.file}.broken`
  writeFileSync(file, 'listeners: {')
  const { code, stderr } = await runProcess(process.execPath, [mainFile, 'reload', '-c', file])
  assert.equal(code, 1)
  assert.match(stderr, /has errors, so the admin address is not known; use --admin ADDR/)
})

test('a listener can move, come and go; the others are not touched', async () => {
  const evenkeel = await fresh()
  const before = `127.0.0.1:${evenkeel.port()}`
  const port = await freePort()
  const second = await freePort()
  edit(evenkeel, (tree) => {
    tree['listeners'] = {
      front: { bind: `127.0.0.1:${port}`, pool: 'web' },
      back: { bind: before, pool: 'web' },
      more: { bind: `127.0.0.1:${second}`, pool: 'web' },
    }
  })
  const { code, stdout } = await cli(evenkeel, 'reload')
  assert.equal(code, 0)
  assert.match(stdout, /^\+ listener back$/m)
  for (const url of [evenkeel.url(), `http://127.0.0.1:${port}`, `http://127.0.0.1:${second}`]) {
    assert.equal(await get(url), '200 one', url)
  }
  edit(evenkeel, (tree) => {
    tree['listeners'] = { back: { bind: before, pool: 'web' } }
  })
  assert.equal((await reload(evenkeel)).status, 200)
  await waitFor(async () => !(await isListening(port)) && !(await isListening(second)))
  assert.equal(await get(evenkeel.url()), '200 one')
})

test('an address that somebody else has is refused before anything is changed', async () => {
  const evenkeel = await fresh()
  edit(evenkeel, (tree) => {
    tree['listeners']!['taken'] = { bind: one.address, pool: 'web' }
    tree['pools'] = poolWith(one, two)
  })
  const { status, problem } = await reload(evenkeel)
  assert.equal(status, 409)
  assert.match(
    String(problem['detail']),
    /listener 'taken' can't listen on .*: the port is taken by /,
  )
  assert.equal((await poolsOf(evenkeel))[0]!.backends.length, 1)
  assert.equal(await get(evenkeel.url()), '200 one')
})

test('a reload waits for its confirmation, is shown to do so, and is taken back', async () => {
  const evenkeel = await fresh()
  edit(evenkeel, (tree) => {
    tree['pools'] = poolWith(two)
  })
  const { code, stdout } = await cli(evenkeel, 'reload', '--confirm', '1m30s')
  assert.equal(code, 0)
  assert.match(stdout, /confirm it within 1m30s: evenkeel confirm/)
  await waitFor(async () => (await get(evenkeel.url())) === '200 two', healthy)
  assert.match((await cli(evenkeel, 'status')).stdout, /taken back in .* by kim/)
  assert.equal(await metric(evenkeel, 'evenkeel_config_pending'), 1)
  assert.equal((await cli(evenkeel, 'revert')).code, 0)
  assert.equal((await reload(evenkeel, { confirmMs: 1_000 })).status, 200)
  await waitFor(async () => (await statusOf(evenkeel)).last?.outcome === 'reverted')
  const { pending, last } = await statusOf(evenkeel)
  assert.deepEqual([pending, last?.source], [null, 'timeout'])
  assert.equal(await get(evenkeel.url()), '200 one')
  assert.equal((await cli(evenkeel, 'confirm')).code, 1)
})

test('a reload that is confirmed stays, and one that is not liked can go at once', async () => {
  const evenkeel = await fresh()
  edit(evenkeel, (tree) => {
    tree['pools'] = poolWith(two)
  })
  await reload(evenkeel, { confirmMs: 60_000 })
  assert.equal((await reload(evenkeel)).status, 409)
  const { code, stdout } = await cli(evenkeel, 'confirm')
  assert.deepEqual([code, /is confirmed and stays/.test(stdout)], [0, true])
  edit(evenkeel, (tree) => {
    tree['pools'] = poolWith(one)
  })
  await reload(evenkeel, { confirmMs: 60_000 })
  assert.equal((await cli(evenkeel, 'revert')).code, 0)
  await waitFor(async () => (await get(evenkeel.url())) === '200 two', healthy)
})

test('diff tells what would change, what is in flight there, and changes nothing', async () => {
  const evenkeel = await fresh()
  const { last } = await statusOf(evenkeel)
  await one.behave({ kind: 'silent' })
  const asked = request(evenkeel.url())
  asked.on('error', () => {})
  asked.end()
  await waitFor(async () => (await poolsOf(evenkeel))[0]!.backends[0]!.inFlight === 1)
  assert.deepEqual(await cli(evenkeel, 'diff'), {
    code: 0,
    stdout: '',
    stderr: 'evenkeel: the configuration is what it was\n',
  })
  edit(evenkeel, (tree) => {
    tree['pools'] = poolWith(two)
    tree['runtime'] = { drain: '3s' } as never
  })
  const found = await cli(evenkeel, 'diff', evenkeel.file)
  assert.deepEqual(found, {
    code: 3,
    stdout: `~ runtime.drain 8s -> 3s
+ backend web/two
- backend web/one  (1 in flight)
  what is in flight on backends that go may finish; tunnels are cut after 3s (runtime.drain)
`,
    stderr:
      'evenkeel: the configuration would be applied: 1 pool changed, 1 backend added, 1 backend removed, 1 setting changed\n',
  })
  writeFileSync(evenkeel.file, original)
  edit(evenkeel, (tree) => {
    tree['runtime'] = { threads: 7 } as never
  })
  const fixed = await cli(evenkeel, 'diff')
  assert.deepEqual(
    [fixed.code, fixed.stdout],
    [1, '! runtime.threads auto -> 7: restart Evenkeel\n'],
  )
  writeFileSync(evenkeel.file, original)
  assert.deepEqual((await statusOf(evenkeel)).last, last)
  asked.destroy()
  await one.behave({ kind: 'answer' })
})

test('explain goes by the plan that is in force', async () => {
  const evenkeel = await fresh()
  edit(evenkeel, (tree) => {
    const respond = { status: 204 }
    tree['listeners']!['front'] = { ...tree['listeners']!['front'], pool: undefined }
    tree['listeners']!['front']['routes'] = [{ name: 'ping', respond }]
    tree['pools'] = { ...poolWith(one), first: { backends: { two: two.address } } }
  })
  assert.equal((await reload(evenkeel)).status, 200)
  assert.equal(await get(evenkeel.url()), '204 ')
  const answer = await fetch(`${evenkeel.adminUrl}/v1/explain?url=http://x.test/`)
  const { outcome, status } = (await answer.json()) as { outcome: string; status: number }
  assert.deepEqual([outcome, status], ['answered', 204])
})

test('a configuration can be posted, and only for the one that it was made for', async () => {
  const evenkeel = await fresh()
  const post = (text: string, headers: Record<string, string> = {}) =>
    fetch(`${evenkeel.adminUrl}/v1/config?by=kim&name=new.yaml`, {
      method: 'POST',
      headers: { 'content-type': 'application/yaml', ...headers },
      body: text,
    })
  const tree = parse(readFileSync(evenkeel.file, 'utf8')) as Tree
  const text = stringify({ ...tree, pools: poolWith(two) })
  const { etag } = await statusOf(evenkeel)
  const told = await fetch(`${evenkeel.adminUrl}/v1/config`)
  assert.equal(told.headers.get('etag'), etag)
  const config = (await told.json()) as EffectiveConfig
  assert.deepEqual(Object.keys(config.pools), ['web'])
  const same = await fetch(`${evenkeel.adminUrl}/v1/config`, { headers: { 'if-none-match': etag } })
  assert.deepEqual([same.status, await same.text()], [304, ''])
  const stale = await post(text, { 'if-match': '"0-0"' })
  assert.deepEqual(
    [stale.status, ((await stale.json()) as { code: string }).code],
    [412, 'changed'],
  )
  const done = await post(text, { 'if-match': etag })
  const answer = (await done.json()) as { outcome: string }
  assert.deepEqual([done.status, answer.outcome], [200, 'applied'])
  assert.equal(done.headers.get('etag'), (await statusOf(evenkeel)).etag)
  assert.equal((await post(text, { 'if-match': etag })).status, 412)
  const { etag: now } = await statusOf(evenkeel)
  const texts = ['9s', '10s'].map((drain) =>
    stringify({ ...tree, runtime: { ...tree['runtime'], drain }, pools: poolWith(two) }),
  )
  const both = await Promise.all(texts.map((other) => post(other, { 'if-match': now })))
  const taken = both.filter(({ status }) => status === 200)
  assert.equal(taken.length, 1, 'of two who changed the same one, one has to read it again')
  const wrong = (await (await post('listeners: []')).json()) as { errors: { file: string }[] }
  assert.equal(wrong.errors[0]?.file, 'new.yaml')
  assert.equal((await post('{}', { 'content-type': 'text/plain' })).status, 415)
  await waitFor(async () => (await get(evenkeel.url())) === '200 two', healthy)
})

test('with watch a new file is applied by itself, and a broken one changes nothing', async (t) => {
  const evenkeel = await startEvenkeel({ ...config, runtime: { watch: true } })
  t.after(() => evenkeel.stop(0))
  edit(evenkeel, (tree) => {
    tree['pools'] = poolWith(two)
  })
  await waitFor(async () => (await get(evenkeel.url())) === '200 two', healthy)
  assert.equal((await statusOf(evenkeel)).last?.source, 'file')
  const good = readFileSync(evenkeel.file, 'utf8')
  writeFileSync(evenkeel.file, good.replace('pools:', 'poools:'))
  await waitFor(async () => (await statusOf(evenkeel)).last?.outcome === 'refused')
  assert.equal(await get(evenkeel.url()), '200 two')
  writeFileSync(evenkeel.file, good)
  await waitFor(async () => (await statusOf(evenkeel)).last?.outcome === 'unchanged')
})

test('with watch a file that cannot be taken now is taken when it can, and told of once', async (t) => {
  const evenkeel = await startEvenkeel({ ...config, runtime: { watch: true } })
  t.after(() => evenkeel.stop(0))
  const port = await freePort()
  const occupant = createServer().listen(port, '127.0.0.1')
  t.after(() => occupant.close())
  await once(occupant, 'listening')
  edit(evenkeel, (tree) => {
    tree['listeners']!['second'] = { bind: `127.0.0.1:${port}`, pool: 'web' }
  })
  const last = async () => (await statusOf(evenkeel)).last
  await waitFor(async () => (await last())?.outcome === 'refused')
  // Whatever happens in the folder is a reason to look again.
  writeFileSync(`${evenkeel.file}.note`, '')
  const news = () => evenkeel.logs().split('the port is taken').length - 1
  assert.equal(news(), 1)
  occupant.close()
  await once(occupant, 'close')
  writeFileSync(`${evenkeel.file}.note`, 'again')
  await waitFor(async () => (await last())?.outcome === 'applied')
  assert.equal(await get(`http://127.0.0.1:${port}`), '200 one')
  assert.equal(news(), 1)
})

test('log level and access log follow the configuration', async () => {
  const evenkeel = await fresh()
  const path = `${evenkeel.file}.access.log`
  edit(evenkeel, (tree) => {
    tree['log'] = { level: 'error', access: { format: 'combined', path } } as never
  })
  assert.equal((await reload(evenkeel)).status, 200)
  await get(`${evenkeel.url()}/logged`)
  await waitFor(() => readFileSync(path, 'utf8').includes('GET /logged'))
  const { length } = evenkeel.logs()
  assert.equal((await reload(evenkeel)).status, 200)
  const good = readFileSync(evenkeel.file, 'utf8')
  writeFileSync(evenkeel.file, `${good}bogus: 1\n`)
  await reload(evenkeel)
  writeFileSync(evenkeel.file, good)
  await waitFor(() => evenkeel.logs().includes('"path":"bogus"', length))
  assert.ok(!evenkeel.logs().slice(length).includes('"level":"info"'))
  edit(evenkeel, (tree) => {
    tree['log'] = {
      level: 'info',
      access: { format: 'json', path: '/nowhere/access.log' },
    } as never
  })
  const { status, problem } = await reload(evenkeel)
  assert.equal(status, 409)
  assert.match(
    String(problem['detail']),
    /access log \/nowhere\/access\.log can't be opened: its folder is not there/,
  )
  await get(`${evenkeel.url()}/still`)
  await waitFor(() => readFileSync(path, 'utf8').includes('GET /still'))
})
