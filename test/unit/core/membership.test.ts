import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress } from '../../../src/core/address-text.ts'
import type { Member } from '../../../src/core/membership.ts'
import { difference, isSameMembers, membersOf, mergeMembers } from '../../../src/core/membership.ts'
import { foundAt } from '../../support/discovery.ts'

const brief = (members: readonly Member[]): string[] =>
  members.map(({ name, address, weight }) => `${name} ${formatAddress(address)} ${weight}`)

test('members are sorted by name, and one without a name is called by its address', () => {
  const found = [foundAt('10.0.0.2:80'), foundAt('web-1=10.0.0.9:80'), foundAt('[fd00::1]:80')]
  assert.deepEqual(brief(membersOf(found)), [
    '10.0.0.2:80 10.0.0.2:80 1',
    '[fd00::1]:80 [fd00::1]:80 1',
    'web-1 10.0.0.9:80 1',
  ])
})

test('an address that is told of twice is one member, with the greater weight', () => {
  const found = [foundAt('b=10.0.0.1:80', { weight: 5 }), foundAt('a=10.0.0.1:80', { weight: 2 })]
  assert.deepEqual(brief(membersOf(found)), ['a 10.0.0.1:80 5'])
})

test('two servers of one name stay two, and the same ones whatever the order they are told in', () => {
  const found = [foundAt('web=10.0.0.2:80'), foundAt('web=10.0.0.1:80')]
  const expected = ['web 10.0.0.1:80 1', 'web#2 10.0.0.2:80 1']
  assert.deepEqual(brief(membersOf(found)), expected)
  assert.deepEqual(brief(membersOf(found.reverse())), expected)
})

test('a name that could not go into a log, a label or a URL is not taken', () => {
  for (const name of ['', 'a b', '../x', 'a/b', 'a"b', 'ä', '-a', 'x'.repeat(129), 'a\nb']) {
    const [member] = membersOf([{ ...foundAt('10.0.0.1:80'), name }])
    assert.equal(member!.name, '10.0.0.1:80', JSON.stringify(name))
  }
})

test('weights from outside stay within what a weight can be', () => {
  const found = [-1, 0.4, 70_000].map((weight, i) => foundAt(`10.0.0.${i + 1}:80`, { weight }))
  assert.deepEqual(
    membersOf(found).map(({ weight }) => weight),
    [0, 0, 65_535],
  )
})

test('what the configuration names is not taken again, and an earlier source goes first', () => {
  const configured = [{ name: 'a', address: foundAt('10.0.0.1:80').address }]
  const one = membersOf([foundAt('x=10.0.0.1:80'), foundAt('a=10.0.0.2:80')])
  const two = membersOf([foundAt('y=10.0.0.2:80'), foundAt('z=10.0.0.3:80')])
  assert.deepEqual(brief(mergeMembers(configured, [one, two])), [
    'a#2 10.0.0.2:80 1',
    'z 10.0.0.3:80 1',
  ])
})

test('a member whose address changes went, and another one came', () => {
  const before = membersOf([foundAt('a=10.0.0.1:80'), foundAt('b=10.0.0.2:80')])
  const after = membersOf([foundAt('a=10.0.0.9:80'), foundAt('b=10.0.0.2:80', { weight: 3 })])
  assert.deepEqual(difference(before, after), { added: ['a'], removed: ['a'] })
  assert.equal(isSameMembers(before, after), false)
  assert.equal(isSameMembers(before, before.slice()), true)
})

test('another weight or zone is a change without anybody who came or went', () => {
  const before = membersOf([foundAt('a=10.0.0.1:80')])
  for (const changes of [{ weight: 2 }, { zone: 'z' }]) {
    const after = membersOf([foundAt('a=10.0.0.1:80', changes)])
    assert.deepEqual(difference(before, after), { added: [], removed: [] })
    assert.equal(isSameMembers(before, after), false)
  }
})
