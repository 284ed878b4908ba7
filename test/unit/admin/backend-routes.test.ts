import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backendRoutes } from '../../../src/admin/backend-routes.ts'
import type { ChangeRoute } from '../../../src/admin/route.ts'
import { membersOf } from '../../../src/core/membership.ts'
import { foundAt } from '../../support/discovery.ts'

test('whatever name discovery gives a backend, it can be taken out by it', () => {
  const name = 'x'.repeat(128)
  const members = membersOf([foundAt(`${name}=10.0.0.1:80`), foundAt(`${name}=10.0.0.2:80`)])
  const backends = members.map((member) => member.name)
  assert.deepEqual(backends, [name, `${name}#2`])
  const changer = { all: [], change: () => assert.fail('nothing was asked for') }
  const route = backendRoutes(changer).find(({ path }) => path === '/v1/pools/{pool}/drain')
  const read = (route as ChangeRoute).body!.safeParse({ backends, reason: 'kernel update' })
  assert.equal(read.success, true, read.error?.message)
})
