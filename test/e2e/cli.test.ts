import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { PoolStatus } from '../../src/core/status.ts'
import { startBackend } from '../support/backend.ts'
import { mainFile, startEvenkeel } from '../support/evenkeel.ts'
import { freePort } from '../support/ports.ts'
import { runProcess } from '../support/processes.ts'

const folder = mkdtempSync(join(tmpdir(), 'evenkeel-cli-'))

/** Runs the command line tool in an empty folder and an environment without EVENKEEL_*. */
async function evenkeel(words: readonly string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await runProcess(process.execPath, [mainFile, ...words], {
    cwd: folder,
    env: { NO_COLOR: '1', EVENKEEL_BACKENDS: '', EVENKEEL_CONFIG: '', ...env },
  })
  return { code, stdout, stderr }
}

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const good = file(
  'good.yaml',
  'listeners: { web: { bind: "127.0.0.1:8080", pool: web } }\n' +
    'pools: { web: { backends: ["127.0.0.1:9101", "127.0.0.1:9102"], healthCheck: { tcp: {} } } }\n',
)
const bad = file(
  'bad.yaml',
  'listeners: { web: { bind: "127.0.0.1:8080", pool: wbe } }\n' +
    'pools: { web: { backends: ["127.0.0.1:9101"] } }\n',
)

test('version is one line on standard output', async () => {
  const { code, stdout, stderr } = await evenkeel(['version'])
  assert.deepEqual([code, stderr], [0, ''])
  assert.match(stdout, /^evenkeel \d+\.\d+\.\d+ on Node\.js \d+\.\d+\.\d+\n$/)
  for (const flag of ['--version', '-V']) {
    assert.deepEqual(await evenkeel([flag]), { code: 0, stdout, stderr })
  }
})

test('a result that cannot be written is told in one line, but for a reader who has seen enough', async () => {
  const program = `${process.execPath} ${mainFile}`
  const shell = async (line: string) => {
    const { code, stdout, stderr } = await runProcess('bash', ['-c', line])
    return { code, stdout, stderr }
  }
  const full = 'ENOSPC: no space left on device, write'
  assert.deepEqual(await shell(`${program} version >/dev/full`), {
    code: 1,
    stdout: '',
    stderr: `evenkeel: the result can't be written: ${full}\n`,
  })
  const gone = await shell(`exec 3> >(:); wait $!; ${program} help status >&3`)
  assert.deepEqual(gone, { code: 0, stdout: '', stderr: '' })
})

test('a right configuration is summed up on standard output', async () => {
  const { code, stdout, stderr } = await evenkeel(['check', good])
  assert.deepEqual([code, stderr], [0, ''])
  assert.match(stdout, /good\.yaml is right\n {2}listener web on 127\.0\.0\.1:8080 .* web\n/)
})

test('a wrong one is explained on standard error, with its place', async () => {
  const { code, stdout, stderr } = await evenkeel(['check', '-c', bad])
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, /bad\.yaml:1:\d+: error: .*wbe/)
  assert.match(stderr, /did you mean/)
  assert.match(stderr, /evenkeel: .*bad\.yaml: 1 error\n$/)
})

test('check -o json is data whatever the result', async () => {
  const wrong = await evenkeel(['check', '-o', 'json', bad])
  assert.equal(wrong.code, 1)
  const result = JSON.parse(wrong.stdout) as { ok: boolean; diagnostics: { line: number }[] }
  assert.equal(result.ok, false)
  assert.equal(result.diagnostics[0]!.line, 1)
  const right = await evenkeel(['check', '-o', 'json', good])
  assert.equal((JSON.parse(right.stdout) as { ok: boolean }).ok, true)
})

test('an objective is computed line by line, and with --strict one that cannot be met fails', async () => {
  const env = { EVENKEEL_BACKENDS: '127.0.0.1:1,127.0.0.1:2' }
  const plain = await evenkeel(['check', '-o', 'json'], env)
  const { objectives } = JSON.parse(plain.stdout) as { objectives: { rtoMs: null }[] }
  assert.deepEqual(
    objectives.map(({ rtoMs }) => rtoMs),
    [null],
  )
  const path = file(
    'objective.yaml',
    'listeners: { web: { bind: ":8080", pool: web } }\n' +
      'pools: { web: { backends: [a:1, b:1], healthCheck: { http: / }, objective: { rto: 5s } } }\n',
  )
  const lax = await evenkeel(['check', path])
  assert.equal(lax.code, 0)
  assert.match(lax.stdout, /\n {2}objective of pool web: rto 5s; worst case 5\.206s: NOT met\n/)
  assert.match(lax.stdout, /\n {6}until the next probe +2\.2s {2}interval 2s \+ 10%\n/)
  assert.match(lax.stderr, /objective\.yaml:2:\d+: warning: .*5s can't be met/)
  const strict = await evenkeel(['check', '--strict', path])
  assert.equal(strict.code, 1)
  assert.match(strict.stdout, /^ {2}objective of pool web: .*NOT met\n/)
})

test('with --strict a warning fails', async () => {
  const env = { EVENKEEL_BACKENDS: '127.0.0.1:1', EVENKEEL_BACKEND: 'x' }
  assert.equal((await evenkeel(['check'], env)).code, 0)
  const strict = await evenkeel(['check', '--strict'], env)
  assert.equal(strict.code, 1)
  assert.match(strict.stderr, /EVENKEEL_BACKEND.*\n.*did you mean EVENKEEL_BACKENDS\?/)
})

test('wrong usage is exit code 2 and says where the help is', async () => {
  for (const words of [[], ['run', '--nope'], ['check', '-o', 'xml']]) {
    const { code, stdout } = await evenkeel(words)
    assert.deepEqual([code, stdout], [2, ''], words.join(' '))
  }
  const typo = await evenkeel(['rnu'])
  assert.match(typo.stderr, /Did you mean run\?/)
  const nothing = await evenkeel(['run'])
  assert.equal(nothing.code, 2)
  assert.match(nothing.stderr, /no configuration: .*evenkeel\.yaml/)
  assert.equal((await evenkeel(['check', good, '-c', bad])).code, 2)
})

test('a configuration that can not be started says so and exits with 1', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const env = { EVENKEEL_BACKENDS: '127.0.0.1:1', EVENKEEL_ADMIN: 'off' }
  const taken = await evenkeel(['run'], { ...env, EVENKEEL_LISTEN: `127.0.0.1:${port}` })
  assert.equal(taken.code, 1)
  assert.match(taken.stderr, new RegExp(`can't listen on 127.0.0.1:${port}: the port is taken by`))
  if (process.platform === 'linux') assert.match(taken.stderr, new RegExp(`pid ${process.pid}`))
  const wrong = await evenkeel(['run', bad])
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /error: .*wbe/)
  assert.doesNotMatch(
    wrong.stderr,
    / \| /,
    'lines of the file, and secrets in them, stay out of logs',
  )
})

test('status shows a running balancer as a table and as JSON', async () => {
  const one = await startBackend({ name: 'one' })
  after(() => one.stop())
  const running = await startEvenkeel({
    listeners: { web: { pool: 'web' } },
    pools: { web: { backends: { one: one.address }, healthCheck: { http: '/health' } } },
  })
  after(() => running.stop())
  const byFile = await evenkeel(['status', '-c', running.file])
  assert.equal(byFile.code, 0)
  const lines = byFile.stdout.split('\n')
  assert.equal(lines[0], 'web (active-active, round-robin): 1 of 1 available')
  assert.match(lines[1]!, /^ {2}BACKEND {2}ADDRESS +STATE +SINCE +WEIGHT +IN FLIGHT/)
  assert.match(lines[2]!, new RegExp(`^  one {6}127.0.0.1:${one.port} +available +\\d+s +1 `))
  const admin = running.adminUrl.slice('http://'.length)
  const json = await evenkeel(['status', 'web', '-o', 'json', '--admin', admin])
  assert.equal((JSON.parse(json.stdout) as PoolStatus).backends[0]!.name, 'one')
  const wrong = await evenkeel(['status', 'wbe', '--admin', admin])
  assert.deepEqual([wrong.code, wrong.stdout], [1, ''])
  assert.match(wrong.stderr, /There is no pool 'wbe'\. There are: web\./)

  const healthy = await evenkeel(['healthcheck', '--admin', admin])
  assert.deepEqual([healthy.code, healthy.stderr], [0, 'ready\n'])
  assert.equal((await evenkeel(['healthcheck', '--live', '-c', running.file])).code, 0)
})

test('without a running balancer, status and healthcheck say what to do', async () => {
  const admin = `127.0.0.1:${await freePort()}`
  for (const verb of ['status', 'healthcheck']) {
    const { code, stdout, stderr } = await evenkeel([verb, '--admin', admin])
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, new RegExp(`nothing runs at ${admin}; is it started\\?.*--admin ADDR`))
  }
  const wrong = await evenkeel(['status', '--admin', 'nonsense'])
  assert.equal(wrong.code, 2)
})

test('completion scripts know every command and are accepted by their shell', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await evenkeel(['completion', shell])
    assert.equal(code, 0)
    for (const verb of ['run', 'check', 'status', 'switchover', 'freeze', 'completion']) {
      assert.ok(stdout.includes(verb), `${shell}: ${verb}`)
    }
  }
  const { stdout: script } = await evenkeel(['completion', 'bash'])
  const complete = async (...words: string[]): Promise<string[]> => {
    const setup = `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}`
    const { code, stdout, stderr } = await runProcess('bash', ['-s'], {
      input: `${script}\n${setup}; _evenkeel; printf '%s\\n' "\${COMPREPLY[@]}"`,
    })
    assert.equal(code, 0, stderr)
    return stdout.trim().split('\n')
  }
  assert.deepEqual(await complete('evenkeel', 'st'), ['status'])
  assert.deepEqual(await complete('evenkeel', 'check', '-o', ''), ['text', 'json'])
  assert.deepEqual(await complete('evenkeel', 'report', '-o', ''), ['text', 'json', 'markdown'])
  assert.deepEqual(await complete('evenkeel', 'backend', 'a'), ['add'])
  assert.deepEqual(await complete('evenkeel', 'completion', 'f'), ['fish'])
  assert.deepEqual(await complete('evenkeel', 'status', '--ad'), ['--admin'])
})

test('a reader that has seen enough is no error', async () => {
  const script = '("$0" "$1" completion bash; echo "ended with $?" >&2) | true'
  const { stderr } = await runProcess('sh', ['-c', script, process.execPath, mainFile])
  assert.equal(stderr, 'ended with 0\n')
})

test('a ledger that cannot be read is told in one line', async () => {
  for (const [path, why] of [
    [join(folder, 'none.jsonl'), 'there is no such file'],
    [folder, 'it is a directory'],
    [good, 'no record can be read in it'],
  ] as const) {
    const { code, stdout, stderr } = await evenkeel(['report', '--ledger', path])
    assert.deepEqual([code, stdout, stderr], [1, '', `evenkeel: --ledger ${path}: ${why}\n`])
  }
})

test('an access log that cannot be opened is told in one line, and nothing is started', async () => {
  const port = await freePort()
  const path = file(
    'access.yaml',
    `admin: false
log: { access: { format: json, path: ${folder} } }
listeners: { web: { bind: "127.0.0.1:${port}", pool: web } }
pools: { web: { backends: ["127.0.0.1:9101", "127.0.0.1:9102"] } }
`,
  )
  const { code, stderr } = await evenkeel(['run', path])
  assert.equal(code, 1)
  const last = JSON.parse(stderr.trim().split('\n').at(-1)!) as { level: string; message: string }
  assert.deepEqual(
    [last.level, last.message],
    ['error', `the access log ${folder} can't be opened: it is a directory (log.access.path)`],
  )
})
