import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { ProfileName } from '../../../src/ha/keepalived.ts'
import {
  PRIORITY_MIN,
  PROFILES,
  PROFILE_NAMES,
  TRACK,
  checkScript,
  keepalivedConf,
  worstCase,
} from '../../../src/ha/keepalived.ts'
import { vipFiles } from '../../../src/ha/vip-files.ts'
import { goldenText, goldenUrl, vipSetups } from '../../support/vip-setups.ts'

for (const [name, setup] of Object.entries(vipSetups)) {
  test(`the files for ${name} are the ones in test/golden`, () => {
    assert.equal(goldenText(setup), readFileSync(goldenUrl(name), 'utf8'))
  })
}

test('no file has tabs or trailing blanks, and each ends with one newline', () => {
  for (const setup of Object.values(vipSetups)) {
    for (const { name, text } of vipFiles(setup)) {
      assert.doesNotMatch(text, /\t|[ \t]\n|\n\n$/, name)
      assert.match(text, /[^\n]\n$/, name)
    }
  }
})

test('every line of keepalived.conf holds one statement, and braces balance', () => {
  for (const setup of Object.values(vipSetups)) {
    let depth = 0
    for (const line of keepalivedConf(setup).split('\n')) {
      const statement = line.replace(/#.*/, '').trim()
      assert.doesNotMatch(statement, /\{.+|.+\}/)
      if (statement.endsWith('{')) depth++
      if (statement === '}') depth--
      assert.ok(depth >= 0 && depth <= 2)
    }
    assert.equal(depth, 0)
  }
})

test('every profile fits the limits of VRRP and of keepalived', () => {
  for (const { advertMs, checkMs, timeoutMs, misses } of Object.values(PROFILES)) {
    // RFC 9568 §5.2.8: hundredths of a second in 12 bits.
    assert.equal(advertMs % 10, 0)
    assert.ok(advertMs >= 10 && advertMs <= 40_950)
    assert.equal(1_000 % checkMs, 0)
    assert.ok(timeoutMs <= checkMs && misses >= 2)
  }
})

test('the worst case is made of the phase of the check, its misses and the delay of VRRP', () => {
  const worst = Object.fromEntries(PROFILE_NAMES.map((name) => [name, worstCase(name, 100)]))
  assert.deepEqual(worst, {
    fast: { nodeLossMs: 361, frozenMs: 811, killedMs: 561, handoverMs: 361 },
    default: { nodeLossMs: 1083, frozenMs: 1683, killedMs: 1183, handoverMs: 1083 },
    conservative: { nodeLossMs: 3609, frozenMs: 4509, killedMs: 3609, handoverMs: 3609 },
  } satisfies Record<ProfileName, unknown>)
})

test('a higher priority waits less, and none is without a delay', () => {
  assert.equal(worstCase('conservative', 254).nodeLossMs, 3008)
  assert.equal(worstCase('conservative', 52).nodeLossMs, 3797)
})

test('a node that gives the address away stands below every ready one and above every unready one', () => {
  // keepalived holds effective priorities within 1…254 and takes a change below −253 as a fault.
  const effective = (change: number): number => Math.max(1, Math.min(254, PRIORITY_MIN + change))
  assert.ok(effective(TRACK.away) < effective(TRACK.ready))
  assert.ok(effective(TRACK.away) > 1)
  assert.ok(TRACK.unready < -253 && TRACK.away >= -253)
})

test('the nodes of a group differ in nothing but their addresses', () => {
  const one = vipSetups['default']!
  const two = { ...one, self: one.peers[0]!, peers: [one.self] }
  const swapped = keepalivedConf(two)
    .replaceAll(/10([._])0[._]0[._]12/g, 'A')
    .replaceAll(/10([._])0[._]0[._]11/g, 'B')
  const own = keepalivedConf(one)
    .replaceAll(/10([._])0[._]0[._]11/g, 'A')
    .replaceAll(/10([._])0[._]0[._]12/g, 'B')
  assert.equal(swapped, own)
})

test('an admin API on a unix socket is asked there', () => {
  const script = checkScript(vipSetups['conservative-ipv6-unix']!)
  assert.match(script, /--unix-socket '\/run\/evenkeel\/admin\.sock' http:\/\/localhost\/readyz/)
})

test('docs/keepalived.md has the figures of the profiles', () => {
  const page = readFileSync(new URL('../../../../docs/keepalived.md', import.meta.url), 'utf8')
  for (const name of PROFILE_NAMES) {
    const { advertMs, checkMs, misses } = PROFILES[name]
    const { nodeLossMs, frozenMs, killedMs } = worstCase(name, 100)
    const computed = [nodeLossMs, frozenMs, killedMs].map((ms) => (ms / 1_000).toFixed(2))
    const cells = page
      .split('\n')
      .find((line) => line.startsWith(`| \`${name}\` |`))!
      .split(' | ')
      .slice(1)
      .map((cell) => cell.replace(/ \(.*| \|$/, ''))
    assert.deepEqual(cells, [
      `every ${advertMs / 1_000} s`,
      `every ${checkMs / 1_000} s, ${misses} misses`,
      ...computed,
    ])
  }
})
