import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatAddress } from '../../src/core/address-text.ts'
import type { Found } from '../../src/core/membership.ts'
import { identityOf, membersOf, mergeMembers } from '../../src/core/membership.ts'
import type { SourceWord } from '../../src/core/membership-source.ts'
import { firstState, hear } from '../../src/core/membership-source.ts'

const found: fc.Arbitrary<Found> = fc.record({
  name: fc.oneof(fc.constant(null), fc.constantFrom('a', 'b', 'c', 'web', 'bad name', 'a#2')),
  address: fc.record({
    kind: fc.constant('tcp' as const),
    host: fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3', 'fd00::1'),
    port: fc.constantFrom(80, 81),
  }),
  weight: fc.constantFrom(0, 1, 5),
  zone: fc.constantFrom(null, 'z'),
})
const list = fc.array(found, { maxLength: 8 })
const word: fc.Arbitrary<SourceWord> = fc.oneof(
  fc.record({
    kind: fc.constant('answer' as const),
    found: list,
    incomplete: fc.constantFrom(null, 'no answer for AAAA records'),
    refused: fc.constantFrom([], ['x']),
  }),
  fc.record({ kind: fc.constant('failure' as const), reason: fc.constantFrom('a', 'b') }),
)

test('names and addresses of members are unique, sorted, and the order of telling is no matter', () => {
  fc.assert(
    fc.property(list, (all) => {
      const members = membersOf(all)
      const names = members.map(({ name }) => name)
      assert.equal(new Set(names).size, names.length)
      assert.deepEqual(names, [...names].sort())
      const addresses = members.map(({ address }) => formatAddress(address))
      assert.equal(new Set(addresses).size, addresses.length)
      assert.deepEqual(new Set(addresses), new Set(all.map((one) => formatAddress(one.address))))
      assert.deepEqual(membersOf([...all].reverse()).map(identityOf), members.map(identityOf))
    }),
  )
})

test('lists that are merged give each name and address once, and none that is configured', () => {
  fc.assert(
    fc.property(list, list, list, (one, two, three) => {
      const configured = membersOf(one)
      const merged = mergeMembers(configured, [membersOf(two), membersOf(three)])
      const names = [...configured, ...merged].map(({ name }) => name)
      assert.equal(new Set(names).size, names.length)
      const addresses = [...configured, ...merged].map(({ address }) => formatAddress(address))
      assert.equal(new Set(addresses).size, addresses.length)
    }),
  )
})

test('whatever a source says, it never empties a pool, and removes only whom enough answers left out', () => {
  fc.assert(
    fc.property(
      fc.array(word, { maxLength: 30 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 6 }),
      (words, agreeing, membersMax) => {
        let state = firstState(0)
        const gaps = new Map<string, number>()
        for (const [i, said] of words.entries()) {
          const before = state
          const step = hear(state, said, { membersMax, allowEmpty: false, agreeing }, i + 1)
          state = step.state
          assert.ok(state.members.length <= Math.max(membersMax, before.members.length))
          assert.ok(before.members.length === 0 || state.members.length > 0)
          if (before.members.some(({ weight }) => weight > 0)) {
            assert.ok(state.members.some(({ weight }) => weight > 0))
          }
          if (state.failures > 0) {
            assert.equal(state.members, before.members)
            gaps.clear()
            continue
          }
          assert.ok(said.kind === 'answer')
          const told = membersOf(said.found)
          const present = new Set(state.members.map(identityOf))
          for (const member of before.members) {
            const id = identityOf(member)
            const isTold = told.some((one) => identityOf(one) === id)
            const hasMoved = told.some(({ name }) => name === member.name)
            const gap = isTold ? 0 : (gaps.get(id) ?? 0) + (said.incomplete === null ? 1 : 0)
            gaps.set(id, gap)
            if (present.has(id) || isTold || hasMoved) continue
            const isFull = state.members.length >= membersMax
            assert.ok((said.incomplete === null && gap >= agreeing) || isFull, id)
          }
        }
      },
    ),
  )
})
