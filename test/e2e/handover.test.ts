// `evenkeel keepalived init` and `evenkeel handover` from the command line, as far as a machine
// without root and without a virtual IP address can show; test/system has the rest.

import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { after, test } from 'node:test'
import { startBackend } from '../support/backend.ts'
import { mainFile, startEvenkeel } from '../support/evenkeel.ts'
import type { Evenkeel } from '../support/evenkeel.ts'
import { startFakeAdmin } from '../support/fake-admin.ts'
import { runProcess, temporaryFolder } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

const folder = temporaryFolder('handover')

async function evenkeel(...words: string[]) {
  const { code, stdout, stderr } = await runProcess(process.execPath, [mainFile, ...words], {
    cwd: folder,
    env: { NO_COLOR: '1', EVENKEEL_BACKENDS: '', EVENKEEL_CONFIG: '' },
  })
  return { code, stdout, stderr }
}

// --- keepalived init -----------------------------------------------------------------------------

const config = join(folder, 'lb.yaml')
writeFileSync(
  config,
  `keepalived: { vip: 10.0.0.100 }
listeners: { web: { bind: ":8080", pool: app }, secure: { bind: ":443", pool: app } }
pools: { app: { backends: [10.0.0.1:80, 10.0.0.2:80] } }
`,
)
const group = '--vip 10.0.0.100/24 --interface eth0 --self 10.0.0.11 --peer 10.0.0.12'
const init = `keepalived init -c ${config} ${group}`.split(' ')

test('init shows every file, or one of them, and they are the golden ones', async () => {
  const golden = readFileSync(
    new URL('../../../test/golden/keepalived-default.txt', import.meta.url),
    'utf8',
  )
  const parts = golden.split(/^===== .*\n/m).slice(1)
  const all = await evenkeel(...init)
  assert.deepEqual([all.code, all.stderr], [0, ''])
  assert.deepEqual(
    all.stdout
      .split(/^===== (.*)\n/m)
      .slice(1)
      .filter((_, i) => i % 2 === 1),
    parts.map((part) => part.replace('ports 8080, 443, 8080', 'ports 8080, 443')),
  )
  const nft = await evenkeel(...init, '--print', 'nft')
  assert.equal(nft.stdout.trim(), parts[2]!.trim())
})

test('init writes the files into a folder, and overwrites them only when told to', async () => {
  const out = join(folder, 'out')
  const first = await evenkeel(...init, '--out', out)
  assert.deepEqual([first.code, first.stdout], [0, ''])
  assert.deepEqual(readdirSync(out).sort(), [
    'evenkeel-ready',
    'evenkeel-vip.nft',
    'evenkeel-vip.service',
    'evenkeel-vip.sysctl',
    'evenkeel-vip.txt',
    'keepalived.conf',
  ])
  assert.equal(statSync(join(out, 'evenkeel-ready')).mode & 0o777, 0o755)
  assert.match(
    readFileSync(join(out, 'keepalived.conf'), 'utf8'),
    new RegExp(`script "${out}/evenkeel-ready"`),
  )
  const second = await evenkeel(...init, '--out', out)
  assert.equal(second.code, 1)
  assert.match(second.stderr, /nothing was written \(--force overwrites\)/)
  assert.equal((await evenkeel(...init, '--out', out, '--force')).code, 0)
})

test('init without what it needs is wrong usage', async () => {
  const { code, stderr } = await evenkeel('keepalived', 'init', '--vip', '10.0.0.100/24')
  assert.equal(code, 2)
  assert.match(stderr, /required option '--interface <IF>' not specified/)
  assert.equal((await evenkeel(...init, '--profile', 'quick')).code, 2)
  assert.equal((await evenkeel(...init, '--print', 'nft', '--out', 'x')).code, 2)
})

// --- the check script ------------------------------------------------------------------------------

// Stands in for curl: answers questions for readiness by a plan, one word for each.
const fakeCurl = `#!/bin/sh
for last; do :; done
case $last in */readyz) ;; *) echo "$last" >>"$PLAN.heard"; exit 7 ;; esac
asked=$(cat "$PLAN.asked" 2>/dev/null)
asked=$((asked + 1))
echo $asked >"$PLAN.asked"
word=$(echo $(cat "$PLAN") | cut -d ' ' -f $asked)
[ "$word" = ok ]
`

async function check(plan: string): Promise<{ code: number | null; asked: number; heard: string }> {
  const place = join(folder, `check-${plan.replaceAll(' ', '-')}`)
  mkdirSync(place)
  const script = join(place, 'ready')
  writeFileSync(script, (await evenkeel(...init, '--profile', 'fast', '--print', 'check')).stdout)
  writeFileSync(join(place, 'curl'), fakeCurl)
  chmodSync(join(place, 'curl'), 0o755)
  const planFile = join(place, 'plan')
  writeFileSync(planFile, plan)
  const env = { PATH: place + delimiter + process.env['PATH']!, PLAN: planFile }
  const { code } = await runProcess('sh', [script], { env })
  return {
    code,
    asked: Number(readFileSync(`${planFile}.asked`, 'utf8')),
    heard: readFileSync(`${planFile}.heard`, 'utf8'),
  }
}

test('the check fails at the second miss in a row, forgives a single one, and asks on after a last one', async () => {
  const [fine, dead, once, late, lateDead] = await Promise.all([
    check('ok ok ok ok'),
    check('no no'),
    check('ok no ok ok'),
    check('ok ok ok no ok'),
    check('ok ok ok no no'),
  ])
  assert.deepEqual([fine.code, fine.asked], [0, 4])
  assert.deepEqual([dead.code, dead.asked], [1, 2])
  assert.deepEqual([once.code, once.asked], [0, 4])
  assert.deepEqual([late.code, late.asked], [0, 5])
  assert.deepEqual([lateDead.code, lateDead.asked], [1, 5])
  assert.equal(fine.heard, 'http://10.0.0.12:9/\n')
})

// --- a running Evenkeel ----------------------------------------------------------------------------

async function startWithAddress(): Promise<{ running: Evenkeel; track: () => string }> {
  const backend = await startBackend({ name: 'one' })
  after(() => backend.stop())
  const trackFile = join(temporaryFolder('track'), 'track')
  const running = await startEvenkeel({
    runtime: { threads: 1 },
    // TEST-NET-1 (RFC 5737): on no machine.
    keepalived: { vip: '192.0.2.1', trackFile },
    listeners: { web: { pool: 'web' } },
    pools: { web: { backends: { one: backend.address }, healthCheck: { http: '/health' } } },
  })
  after(() => running.stop())
  return { running, track: () => readFileSync(trackFile, 'utf8') }
}

test('the track file says ready; a rest and its end change it; a stop leaves not ready behind', async () => {
  const { running, track } = await startWithAddress()
  await waitFor(() => track() === '0\n')
  const stay = await evenkeel('handover', '-c', running.file, '--stay')
  assert.deepEqual(stay, {
    code: 0,
    stdout:
      '192.0.2.1 was not here. This Evenkeel goes on; it will not have the address until: evenkeel handover --back\n',
    stderr: '',
  })
  assert.equal(track(), '-50\n')
  const back = await evenkeel('handover', '-c', running.file, '--back', '-o', 'json')
  assert.deepEqual(JSON.parse(back.stdout), {
    message: 'This node may have 192.0.2.1 again, when the other one gives it away or fails.',
    report: { vip: '192.0.2.1', wasHere: false, leftMs: 0, exchanges: null, drainMs: 0 },
  })
  assert.equal(track(), '0\n')
  running.process.signal('SIGTERM')
  assert.deepEqual(await running.process.exited, { code: 0, signal: null })
  assert.equal(track(), '-254\n')
})

test('a handover ends the process with 0 once everything is finished, and its answer arrives', async () => {
  const { running, track } = await startWithAddress()
  const signed = ['--reason', 'reboot', '--by', 'kim']
  const done = await evenkeel('handover', '-c', running.file, ...signed)
  assert.equal(done.code, 0)
  assert.match(
    done.stdout,
    /^192\.0\.2\.1 was not here; what ran was finished in \d\.\d s, 0 cut\. This Evenkeel stops\.\n$/,
  )
  assert.deepEqual(await running.process.exited, { code: 0, signal: null })
  assert.equal(track(), '-254\n')
  assert.match(running.logs(), /"a handover is asked for"/)
  assert.match(running.logs(), /"by":"kim".*"reason":"reboot".*"handover asked for by kim: done"/)
})

test('a track file that cannot be written keeps Evenkeel from starting', async () => {
  const running = await startEvenkeel(
    {
      keepalived: { vip: '192.0.2.1', trackFile: join(folder, 'nowhere', 'track') },
      listeners: { web: { pool: 'web' } },
      pools: { web: { backends: ['127.0.0.1:1'] } },
    },
    { wait: false },
  )
  assert.equal((await running.process.exited).code, 1)
  assert.match(running.logs(), /keepalived\.trackFile .*track can't be written: ENOENT/)
})

// --- the admin API ---------------------------------------------------------------------------------

test('the command asks for what its options say, and refusals are its failure', async () => {
  const admin = await startFakeAdmin()
  const refused = await evenkeel('handover', '--admin', admin.host, '--timeout', '1m30s')
  assert.deepEqual(refused, { code: 1, stdout: '', stderr: 'evenkeel: Not now.\n' })
  await evenkeel('handover', '--admin', admin.host, '--stay')
  await evenkeel('handover', '--admin', admin.host, '--back')
  assert.deepEqual(admin.handovers, [
    { wish: 'stop', timeoutMs: 90_000 },
    { wish: 'stay', timeoutMs: 60_000 },
    { wish: 'back', timeoutMs: 60_000 },
  ])
  for (const words of [
    ['--stay', '--back'],
    ['--timeout', '5'],
    ['--timeout', '2h'],
  ]) {
    assert.equal((await evenkeel('handover', '--admin', admin.host, ...words)).code, 2)
  }
})

test('a body that asks for nothing sensible is refused', async () => {
  const admin = await startFakeAdmin()
  const post = async (body: unknown) => {
    const response = await fetch(`http://${admin.host}/v1/handover`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return [response.status, ((await response.json()) as { detail: string }).detail]
  }
  assert.deepEqual(await post({ stay: true, back: true }), [
    400,
    "Ask for 'stay' or for 'back', not for both.",
  ])
  assert.deepEqual(await post({ timeoutMs: 1.5 }), [
    400,
    "'timeoutMs' must be a whole number from 0 to 3600000.",
  ])
  assert.deepEqual(await post({ timeout: 1 }), [
    400,
    "There is no key 'timeout': did you mean 'timeoutMs'?",
  ])
  assert.deepEqual(await post({}), [409, 'Not now.'])
})

test('an Evenkeel without a virtual IP address says so', async () => {
  const running = await startEvenkeel({
    listeners: { web: { pool: 'web' } },
    pools: { web: { backends: ['127.0.0.1:1'], healthCheck: false } },
  })
  after(() => running.stop())
  const { code, stderr } = await evenkeel('handover', '-c', running.file)
  assert.equal(code, 1)
  assert.equal(
    stderr,
    'evenkeel: This Evenkeel has no virtual IP address: its configuration has no keepalived.\n',
  )
})
