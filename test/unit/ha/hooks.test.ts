import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { HookPlan } from '../../../src/core/plan.ts'
import type { HookFacts, HookResult } from '../../../src/ha/hooks.ts'
import { runHook } from '../../../src/ha/hooks.ts'
import { waitFor } from '../../support/wait.ts'

const facts: HookFacts = {
  hook: 'promote',
  pool: 'db',
  epoch: 7,
  from: { name: 'one', address: '10.0.0.1:5432' },
  to: { name: 'two', address: '10.0.0.2:5432' },
  reason: "it's gone: \0 $(reboot)",
  kind: 'failover',
}
const folder = mkdtempSync(join(tmpdir(), 'evenkeel-hooks-'))

function run(plan: HookPlan, given = facts): Promise<HookResult> {
  return new Promise((resolve) => runHook(plan, given, resolve))
}

/** Runs a Node.js program as a hook. */
function script(code: string, timeoutMs = 10_000): HookPlan {
  return { kind: 'exec', command: [process.execPath, '-e', code], timeoutMs }
}

function shell(code: string, timeoutMs = 10_000): HookPlan {
  return { kind: 'exec', command: ['/bin/sh', '-c', code], timeoutMs }
}

/** Without what differs from run to run. */
function told({ sentence }: HookResult): string {
  return sentence.replace(/after [\d.]+ m?s/, 'after T')
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A process that nobody has reaped yet is dead all the same.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

test('a command gets the facts in its environment and on its standard input', async () => {
  const result = await run(
    script(`
      let text = ''
      process.stdin.on('data', (chunk) => (text += chunk))
      process.stdin.on('end', () => {
        const names = Object.keys(process.env).filter((name) => name.startsWith('EVENKEEL_')).sort()
        const env = Object.fromEntries(names.map((name) => [name, process.env[name]]))
        console.log(JSON.stringify({ env, facts: JSON.parse(text) }))
      })`),
  )
  assert.equal(result.ok, true)
  assert.deepEqual(JSON.parse(result.output), {
    env: {
      EVENKEEL_EPOCH: '7',
      EVENKEEL_FROM: 'one',
      EVENKEEL_FROM_ADDRESS: '10.0.0.1:5432',
      EVENKEEL_HOOK: 'promote',
      EVENKEEL_KIND: 'failover',
      EVENKEEL_POOL: 'db',
      EVENKEEL_REASON: "it's gone:   $(reboot)",
      EVENKEEL_TO: 'two',
      EVENKEEL_TO_ADDRESS: '10.0.0.2:5432',
    },
    facts,
  })
})

test('a move from nobody leaves the variables about it empty', async () => {
  const result = await run(shell('echo "[$EVENKEEL_FROM][$EVENKEEL_FROM_ADDRESS]"'), {
    ...facts,
    from: null,
  })
  assert.equal(result.output, '[][]\n')
})

test('no shell reads the command', async () => {
  const result = await run({
    kind: 'exec',
    command: ['/bin/echo', '$HOME; `id`'],
    timeoutMs: 10_000,
  })
  assert.equal(result.output, '$HOME; `id`\n')
})

test('each way to end has its sentence', async () => {
  const plain = join(folder, 'plain')
  writeFileSync(plain, 'echo hello\n', { mode: 0o644 })
  const lost = join(folder, 'lost')
  for (const [plan, ok, sentence] of [
    [shell('exit 0'), true, 'promote hook /bin/sh ended with code 0 after T'],
    [
      shell('echo one; echo "two\tit is" >&2; exit 3'),
      false,
      'promote hook /bin/sh ended with code 3 after T: two it is',
    ],
    [shell('kill -SEGV $$'), false, 'promote hook /bin/sh was killed by SIGSEGV after T'],
    [
      { kind: 'exec', command: [lost], timeoutMs: 10_000 },
      false,
      `promote hook ${lost} could not be started (there is no ${lost}, or what its first line names) after T`,
    ],
    [
      { kind: 'exec', command: [plain], timeoutMs: 10_000 },
      false,
      `promote hook ${plain} could not be started (${plain} may not be executed by this user) after T`,
    ],
    [
      { kind: 'exec', command: ['a\0b'], timeoutMs: 10_000 },
      false,
      /^promote hook a.b could not be started \(.*null bytes.*\) after T$/s,
    ],
  ] as const) {
    const result = await run(plan)
    assert.equal(result.ok, ok)
    if (typeof sentence === 'string') assert.equal(told(result), sentence)
    else assert.match(told(result), sentence)
  }
})

/** Pids of what a hook started, once they are gone. */
async function gone(file: string): Promise<void> {
  const pids = readFileSync(join(folder, file), 'utf8').trim().split(' ').map(Number)
  await waitFor(() => !pids.some(isAlive))
}

// These take their second of grace; side by side they take it once. Within the first second each of
// them has begun to ignore what it is to ignore.
const LATE_MS = 1_000
const pids = (file: string): string => `echo $$ $! > ${join(folder, file)}`
const overdue = run(shell('exec sleep 100', LATE_MS))
const group = run(shell(`sleep 100 & ${pids('group')}; wait`, LATE_MS))
const stubborn = run(
  shell(`trap '' TERM; (trap '' TERM; sleep 100) & ${pids('stubborn')}; sleep 100`, LATE_MS),
)
const orphan = run(shell(`(trap '' TERM; sleep 100) & ${pids('orphan')}; wait`, LATE_MS))

test('a command that takes too long is ended with everything it started', async () => {
  const { ok, sentence, tookMs } = await overdue
  assert.equal(ok, false)
  assert.match(sentence, /^promote hook \/bin\/sh was not done in 1000 ms and was stopped after /)
  assert.ok(tookMs < LATE_MS + 1_000, `SIGTERM was enough: ${tookMs} ms`)
  assert.equal((await group).ok, false)
  await gone('group')
})

test('what ignores SIGTERM is killed a second later, and so is what a dead hook left', async () => {
  for (const [result, file] of [
    [await stubborn, 'stubborn'],
    [await orphan, 'orphan'],
  ] as const) {
    assert.equal(result.ok, false)
    const { tookMs } = result
    assert.ok(tookMs >= LATE_MS + 990 && tookMs < LATE_MS + 5_000, `${file}: ${tookMs} ms`)
    await gone(file)
  }
})

test('a daemon that a hook leaves behind holds nobody up and goes on', async () => {
  const file = join(folder, 'daemon')
  const result = await run(shell(`sleep 30 & echo $! > ${file}; echo started`))
  assert.deepEqual([result.ok, result.output], [true, 'started\n'])
  assert.ok(result.tookMs < 5_000)
  const pid = Number(readFileSync(file, 'utf8'))
  assert.equal(isAlive(pid), true)
  process.kill(pid)
})

test('the last 4 KiB of what it says are kept, its last line quoted in part', async () => {
  const result = await run(
    script(
      `process.stdout.write('x'.repeat(100000) + '\\n' + 'y'.repeat(1000)); process.exitCode = 1`,
    ),
  )
  assert.equal(result.output, `${'x'.repeat(4096 - 1001)}\n${'y'.repeat(1000)}`)
  assert.ok(result.sentence.endsWith(`: ${'y'.repeat(200)}...`))
})

test('a hook that reads nothing of what it is told is no error', async () => {
  const reason = 'x'.repeat(300_000)
  const result = await run(shell('exec <&-; sleep 0.05; exit 0'), { ...facts, reason })
  assert.equal(result.ok, true)
})

test('a cancelled hook is ended and says nothing any more', async () => {
  const file = join(folder, 'cancelled')
  let said = 0
  const cancel = runHook(
    shell(`echo $$ > ${file}.tmp; mv ${file}.tmp ${file}; sleep 100`),
    facts,
    () => {
      said++
    },
  )
  await waitFor(() => existsSync(file))
  cancel()
  await waitFor(() => !isAlive(Number(readFileSync(file, 'utf8'))))
  await new Promise(setImmediate)
  assert.equal(said, 0)
})

type Serve = (request: IncomingMessage, response: ServerResponse, body: string) => void

let serve: Serve = (_, response) => response.end()
const requests: { request: IncomingMessage; body: string }[] = []
const server = createHttpServer((request, response) => {
  let body = ''
  request.setEncoding('utf8')
  request.on('data', (chunk: string) => (body += chunk))
  request.on('end', () => {
    requests.push({ request, body })
    serve(request, response, body)
  })
}).listen(0, '127.0.0.1')
after(() => {
  server.closeAllConnections()
  server.close()
})
await once(server, 'listening')
const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

function webhook(path = '/', timeoutMs = 5_000): HookPlan {
  const headers = [
    { name: 'Authorization', value: 'Bearer t' },
    { name: 'Evenkeel-Epoch', value: '99' },
  ]
  return { kind: 'webhook', url: `${base}${path}`, headers, timeoutMs }
}

const host = base.slice('http://'.length)

test('a webhook is one POST of the facts, with the epoch as a header', async () => {
  requests.length = 0
  serve = (_, response) => response.writeHead(204).end()
  const result = await run(webhook('/promote?secret=1'))
  assert.deepEqual([result.ok, told(result)], [true, `promote hook ${host} answered 204 after T`])
  assert.equal(requests.length, 1)
  const { request, body } = requests[0]!
  assert.deepEqual([request.method, request.url], ['POST', '/promote?secret=1'])
  assert.deepEqual(JSON.parse(body), facts)
  assert.equal(request.headers['content-type'], 'application/json')
  assert.equal(request.headers['evenkeel-epoch'], '7')
  assert.equal(request.headers.authorization, 'Bearer t')
})

test('only 2xx is success, and the answer is quoted', async () => {
  for (const [status, ok, what] of [
    [200, true, 'answered 200 after T: not yet'],
    [302, false, 'answered 302, and redirects are not followed, after T: not yet'],
    [404, false, 'answered 404 after T: not yet'],
    [503, false, 'answered 503 after T: not yet'],
  ] as const) {
    requests.length = 0
    serve = (_, response) => response.writeHead(status, { location: '/else' }).end('not yet\nno')
    const result = await run(webhook())
    assert.deepEqual([result.ok, told(result)], [ok, `promote hook ${host} ${what}`])
    assert.equal(requests.length, 1)
  }
})

test('the first 1 KiB of an answer is kept, and an endless one is not awaited', async () => {
  serve = (_, response) => {
    const pour = (): void => {
      while (!response.destroyed && response.write('z'.repeat(10_000)));
    }
    response.on('drain', pour)
    pour()
  }
  const result = await run(webhook())
  assert.deepEqual([result.ok, result.output], [true, 'z'.repeat(1024)])
})

test('the timeout is over everything: no answer, and no end of an answer', async () => {
  serve = () => {}
  const silent = await run(webhook('/', 100))
  assert.equal(told(silent), `promote hook ${host} was not answered in 100 ms after T`)
  serve = (_, response) => response.writeHead(200).write('begun')
  const stuck = await run(webhook('/', 100))
  assert.deepEqual(
    [stuck.ok, told(stuck)],
    [false, `promote hook ${host} was not answered in 100 ms after T`],
  )
})

test('a webhook that nobody serves says so', async () => {
  const closed: Server = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo
  closed.close()
  await once(closed, 'close')
  const url = `http://127.0.0.1:${port}/x`
  const result = await run({ kind: 'webhook', url, headers: [], timeoutMs: 5_000 })
  assert.equal(result.ok, false)
  assert.match(
    told(result),
    new RegExp(
      `^promote hook 127.0.0.1:${port} could not be called \\(.*ECONNREFUSED.*\\) after T$`,
    ),
  )
})

test('a cancelled webhook is closed and says nothing any more', async () => {
  requests.length = 0
  serve = () => {}
  let said = 0
  const cancel = runHook(webhook(), facts, () => {
    said++
  })
  const { request } = await waitFor(() => requests[0])
  cancel()
  await once(request.socket, 'close')
  assert.equal(said, 0)
})
