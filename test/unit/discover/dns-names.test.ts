import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidates, parseResolvConf } from '../../../src/discover/dns-names.ts'

test('the last search list and ndots of resolv.conf count', () => {
  const text = `# comment
nameserver 10.0.0.2
domain old.example
search shop.svc.cluster.local  svc.cluster.local. .
options timeout:1 ndots:5
`
  assert.deepEqual(parseResolvConf(text), {
    domains: ['shop.svc.cluster.local', 'svc.cluster.local'],
    dots: 5,
  })
  assert.deepEqual(parseResolvConf(''), { domains: [], dots: 1 })
  assert.equal(parseResolvConf('options ndots:99').dots, 15)
})

test('a short name is tried in the search list first, a long one as it is', () => {
  const rules = { domains: ['shop.local', 'local'], dots: 2 }
  assert.deepEqual(candidates('api', rules), ['api.shop.local', 'api.local', 'api'])
  assert.deepEqual(candidates('a.b', rules), ['a.b.shop.local', 'a.b.local', 'a.b'])
  assert.deepEqual(candidates('a.b.c', rules), ['a.b.c', 'a.b.c.shop.local', 'a.b.c.local'])
})

test('a name that ends in a dot is whole', () => {
  assert.deepEqual(candidates('api.', { domains: ['shop.local'], dots: 5 }), ['api'])
})
