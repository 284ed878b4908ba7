// More of what test/system/hosts/virtual-ip.test.ts shows for two nodes: the default profile, IPv6, three
// nodes, and keepalived itself failing.

import { test } from 'node:test'
import {
  failOver,
  killKeepalived,
  restAndReturn,
  splitBrain,
  stepsOf,
  withPair,
} from '../support/vip-story.ts'

test('two nodes, profile default', (t) =>
  withPair({ profile: 'default' }, async (pair) => {
    const step = stepsOf(t)
    await step('moving the address loses nothing and keeps every connection', () =>
      restAndReturn(pair, 'default, moved twice'),
    )
    await step('a frozen, killed or lost node costs no more than computed', () =>
      failOver(pair, 'default'),
    )
  }))

test('two nodes, and keepalived itself fails', (t) =>
  withPair({ profile: 'fast' }, async (pair) => {
    const step = stepsOf(t)
    await step('nodes that do not hear each other agree again by themselves', () =>
      splitBrain(pair),
    )
    await step('a killed keepalived is not noticed by clients', () => killKeepalived(pair))
  }))

test('over IPv6, too, moving the address loses nothing and keeps every connection', () =>
  withPair({ profile: 'fast', family: 6 }, (pair) => restAndReturn(pair, 'IPv6, moved twice')))

test('with three nodes, too, moving the address loses nothing and keeps every connection', () =>
  withPair({ profile: 'fast', nodes: 3 }, (nodes) =>
    restAndReturn(nodes, 'three nodes, moved twice'),
  ))
