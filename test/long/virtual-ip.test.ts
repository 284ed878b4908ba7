// The figures of docs/keepalived.md: each profile, several rounds.

import { test } from 'node:test'
import { PROFILE_NAMES, worstCase } from '../../src/ha/keepalived.ts'
import type { Gaps } from '../support/vip-story.ts'
import { failOver, restAndReturn, withPair } from '../support/vip-story.ts'

const ROUNDS = 5

for (const profile of PROFILE_NAMES) {
  test(`profile ${profile}, ${ROUNDS} rounds of failures`, () =>
    withPair({ profile }, async (pair) => {
      await restAndReturn(pair, profile)
      const rounds: Gaps[] = []
      for (let round = 0; round < ROUNDS; round++) rounds.push(await failOver(pair, profile))
      const { nodeLossMs, frozenMs, killedMs } = worstCase(profile, 100)
      const row = (name: string, key: keyof Gaps, worstMs: number | null): string => {
        const gaps = rounds.map((gaps) => gaps[key]).sort((a, b) => a - b)
        const limit = worstMs === null ? '' : `, computed ${worstMs}`
        return `${profile}, ${name}: ${gaps.join(', ')} ms${limit}`
      }
      console.log(row('node lost', 'nodeLost', nodeLossMs))
      console.log(row('frozen', 'frozen', frozenMs))
      console.log(row('killed', 'killed', killedMs))
      console.log(row('old connections reset', 'told', null))
    }))
}
