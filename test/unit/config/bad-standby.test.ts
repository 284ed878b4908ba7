// Settings of active-standby pools that contradict each other, the mode, or sense.

import { bad } from './cases.ts'
import { failover, inSites, standby } from './standby-cases.ts'

bad(
  'a pool without a health check',
  standby().replace('healthCheck: { tcp: {} }', ''),
  `
bad.yaml:6:11: error: pools.app.mode: active-standby needs a health check: nothing would notice that the active is lost, or that a standby is ready
    6 |     mode: active-standby
      |           ^^^^^^^^^^^^^^
  hint: add a healthCheck, such as healthCheck: { tcp: {} }
`,
)

bad(
  'a pool whose health check is off',
  standby().replace('{ tcp: {} }', 'false'),
  `
bad.yaml:8:18: error: pools.app.healthCheck: active-standby needs a health check: nothing would notice that the active is lost, or that a standby is ready
    8 |     healthCheck: false
      |                  ^^^^^
  hint: add a healthCheck, such as healthCheck: { tcp: {} }
`,
)

bad(
  'serving from every backend at once',
  standby('panic: serve'),
  `
bad.yaml:9:12: error: pools.app.panic: serve would send to every backend at once, which active-standby is there to prevent
    9 |     panic: serve
      |            ^^^^^
  hint: remove it; failover: { allDown: any } takes whoever is ready
`,
)

bad(
  'failover in an active-active pool',
  failover('failback: auto').replace('active-standby', 'active-active'),
  `
bad.yaml:9:5: error: pools.app.failover: has no effect in an active-active pool without sites: all of its backends serve
    9 |     failover: { failback: auto }
      |     ^^^^^^^^
  hint: add mode: active-standby to the pool, or remove failover
`,
)

bad(
  'a hold-down longer than the longest',
  failover('holdDown: 20m'),
  `
bad.yaml:9:27: error: pools.app.failover.holdDown: holdDown 20m is longer than maxHoldDown 10m
    9 |     failover: { holdDown: 20m }
      |                           ^^^
  hint: raise maxHoldDown, or lower holdDown
`,
)

bad(
  'a longest hold-down shorter than one',
  failover('maxHoldDown: 1s'),
  `
bad.yaml:9:30: error: pools.app.failover.maxHoldDown: holdDown 2s is longer than maxHoldDown 1s
    9 |     failover: { maxHoldDown: 1s }
      |                              ^^
  hint: raise maxHoldDown, or lower holdDown
`,
)

bad(
  'an election by role with a check that asks for none',
  failover('elect: role'),
  `
bad.yaml:9:24: error: pools.app.failover.elect: a tcp check does not ask a backend for its role (line 8)
    9 |     failover: { elect: role }
      |                        ^^^^
  hint: use a check that does: redis, postgres, mysql, or http with primary
`,
)

bad(
  'an election by role with a plain http check',
  failover('elect: role').replace('tcp: {}', 'http: /'),
  `
bad.yaml:9:24: error: pools.app.failover.elect: a http check without primary does not ask a backend for its role (line 8)
    9 |     failover: { elect: role }
      |                        ^^^^
  hint: use a check that does: redis, postgres, mysql, or http with primary
`,
)

bad(
  'agreement without a cluster',
  failover('agreement: etcd'),
  `
bad.yaml:9:28: error: pools.app.failover.agreement: etcd needs to know the replicas and the etcd servers, and there is no cluster
    9 |     failover: { agreement: etcd }
      |                            ^^^^
  hint: add cluster: { replica: a, replicas: { a: ..., b: ..., c: ... }, etcd: { endpoints: [...] } }
`,
)

bad(
  'a misspelled key of failover',
  failover('failbck: auto'),
  `
bad.yaml:9:17: error: pools.app.failover.failbck: there is no such key
    9 |     failover: { failbck: auto }
      |                 ^^^^^^^
  hint: did you mean failback?
`,
)

bad(
  'an unknown way back',
  failover('failback: yes'),
  `
bad.yaml:9:27: error: pools.app.failover.failback: "yes" is unknown here
    9 |     failover: { failback: yes }
      |                           ^^^
  hint: available: auto, manual, never
`,
)

bad(
  'a command line for a shell',
  failover('promote: { exec: "pg_ctl promote -D \'/var/my data\'" }'),
  `
bad.yaml:9:34: error: pools.app.failover.promote.exec: "pg_ctl promote -D '/var/my data'" is a line for a shell, and there is none
    9 |     failover: { promote: { exec: "****** ******* ** '******* ****'" } }
      |                                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  hint: write a list: [pg_ctl, promote, -D, "'/var/my", "data'"]
`,
)

bad(
  'a command relative to the directory of the start',
  failover('promote: { exec: ./promote.sh }'),
  `
bad.yaml:9:34: error: pools.app.failover.promote.exec: "./promote.sh" depends on the directory Evenkeel is started in
    9 |     failover: { promote: { exec: ************ } }
      |                                  ^^^^^^^^^^^^
  hint: write an absolute path, or a name that is found in PATH
`,
)

bad(
  'a command in a list relative to the directory of the start',
  failover('fence: { exec: [bin/fence, now] }'),
  `
bad.yaml:9:33: error: pools.app.failover.fence.exec[0]: "bin/fence" depends on the directory Evenkeel is started in
    9 |     failover: { fence: { exec: [*********, ***] } }
      |                                 ^^^^^^^^^
  hint: write an absolute path, or a name that is found in PATH
`,
)

bad(
  'a command without words',
  failover('promote: { exec: [] }'),
  `
bad.yaml:9:34: error: pools.app.failover.promote.exec: is empty
    9 |     failover: { promote: { exec: [] } }
      |                                  ^^
  hint: write the command and its arguments: [/path/to/command]
`,
)

bad(
  'a hook that does nothing',
  failover('promote: {}'),
  `
bad.yaml:9:17: error: pools.app.failover.promote: does not say what to do
    9 |     failover: { promote: {} }
      |                 ^^^^^^^
  hint: add exec: [/path/to/command], or webhook: https://...
`,
)

bad(
  'a hook that does two things',
  failover('promote: { exec: [a], webhook: "https://a.example/x" }'),
  `
bad.yaml:9:39: error: pools.app.failover.promote.webhook: exec and webhook are both given
    9 |     failover: { promote: { exec: [*], webhook: "*******************" } }
      |                                       ^^^^^^^
  hint: keep one of the two
`,
)

bad(
  'a command with headers',
  failover('promote: { exec: [a], headers: { x-a: b } }'),
  `
bad.yaml:9:39: error: pools.app.failover.promote.headers: is for webhook only
    9 |     failover: { promote: { exec: [*], headers: { x-a: * } } }
      |                                       ^^^^^^^
  hint: remove it
`,
)

bad(
  'a webhook without a scheme',
  failover('promote: { webhook: a.example/x }'),
  `
bad.yaml:9:37: error: pools.app.failover.promote.webhook: "a.example/x" is not a URL
    9 |     failover: { promote: { webhook: *********** } }
      |                                     ^^^^^^^^^^^
  hint: write a URL such as https://example.com/failover
`,
)

bad(
  'a webhook with a password, and too much time',
  failover('fence: { webhook: "https://u:p@a.example/x", timeout: 20m }'),
  `
bad.yaml:9:35: error: pools.app.failover.fence.webhook: a URL with a password in it ends up in logs
    9 |     failover: { fence: { webhook: "***********************", timeout: 20m } }
      |                                   ^^^^^^^^^^^^^^^^^^^^^^^^^
  hint: give user and password apart
bad.yaml:9:71: error: pools.app.failover.fence.timeout: 20m is too large
    9 |     failover: { fence: { webhook: "***********************", timeout: 20m } }
      |                                                                       ^^^
  hint: use 10ms to 10m
`,
)

bad(
  'a hook that is a text',
  failover('promote: pg_ctl promote'),
  `
bad.yaml:9:26: error: pools.app.failover.promote: expected a hook: a map with exec or webhook, found "pg_ctl promote"
    9 |     failover: { promote: pg_ctl promote }
      |                          ^^^^^^^^^^^^^^
`,
)

bad(
  'a lag without a unit',
  failover('replicaLag: 10'),
  `
bad.yaml:9:29: error: pools.app.failover.replicaLag: "10" has no unit
    9 |     failover: { replicaLag: 10 }
      |                             ^^
  hint: write 10s, or 10MiB
`,
)

bad(
  'a lag in another unit',
  failover('replicaLag: 10MB'),
  `
bad.yaml:9:29: error: pools.app.failover.replicaLag: "10MB" has the unknown unit "MB"
    9 |     failover: { replicaLag: 10MB }
      |                             ^^^^
  hint: write 10MiB; units here are powers of 1024
`,
)

bad(
  'replicas of an active-active pool',
  standby()
    .replace('pool: app', 'pool: app, role: replica')
    .replace('active-standby', 'active-active'),
  `
bad.yaml:3:42: error: listeners.web.role: replica is for active-standby pools, and in app all backends serve (line 6)
    3 |   web: { bind: ":8080", pool: app, role: replica }
      |                                          ^^^^^^^
  hint: remove it, or write mode: active-standby there
`,
)

bad(
  'a limit of lag that a tcp check cannot tell',
  failover('replicaLag: 10s').replace('pool: app', 'pool: app, role: replica'),
  `
bad.yaml:9:17: error: pools.app.failover.replicaLag: a tcp check does not tell how far a replica is behind (line 8)
    9 |     failover: { replicaLag: 10s }
      |                 ^^^^^^^^^^
  hint: use a check that does: redis, postgres or mysql
`,
)

bad(
  'a limit of lag that an http check cannot tell',
  failover('replicaLag: 10s')
    .replace('pool: app', 'pool: app, role: replica')
    .replace('tcp: {}', 'http: /'),
  `
bad.yaml:9:17: error: pools.app.failover.replicaLag: a http check does not tell how far a replica is behind (line 8)
    9 |     failover: { replicaLag: 10s }
      |                 ^^^^^^^^^^
  hint: let the server judge: healthCheck: { http: { replica: "/replica?lag=10MB" } }
`,
)

bad(
  'a misspelled role',
  standby().replace('pool: app', 'pool: app, role: replicas'),
  `
bad.yaml:3:42: error: listeners.web.role: "replicas" is unknown here
    3 |   web: { bind: ":8080", pool: app, role: replicas }
      |                                          ^^^^^^^^
  hint: did you mean replica?
`,
)

bad(
  'a role beside routes',
  standby().replace('pool: app', 'role: replica, routes: [ { pool: app } ]'),
  `
bad.yaml:3:25: error: listeners.web.role: has no effect beside routes
    3 |   web: { bind: ":8080", role: replica, routes: [ { pool: app } ] }
      |                         ^^^^
  hint: write it on the route
`,
)

bad(
  'a role of a route without a pool',
  standby().replace('pool: app', 'routes: [ { respond: 404, role: replica } ]'),
  `
bad.yaml:3:51: error: listeners.web.routes[0].role: has no effect without pool
    3 |   web: { bind: ":8080", routes: [ { respond: 404, role: replica } ] }
      |                                                   ^^^^
  hint: remove it
`,
)

bad(
  'a state directory without a name',
  standby().replace('/var/lib/evenkeel', '""'),
  `
bad.yaml:1:22: error: runtime.stateDir: "" is not an absolute path
    1 | runtime: { stateDir: "" }
      |                      ^^
`,
)

bad(
  'sites that no backend stands in',
  standby('sites: [seoul, busan]'),
  `
bad.yaml:7:20: error: pools.app.backends.a: stands in none of the sites of this pool
    7 |     backends: { a: 10.0.0.1:80, b: 10.0.0.2:80 }
      |                    ^^^^^^^^^^^
  hint: add site: seoul
bad.yaml:7:36: error: pools.app.backends.b: stands in none of the sites of this pool
    7 |     backends: { a: 10.0.0.1:80, b: 10.0.0.2:80 }
      |                                    ^^^^^^^^^^^
  hint: add site: seoul
bad.yaml:9:13: error: pools.app.sites[0]: no backend stands in this site
    9 |     sites: [seoul, busan]
      |             ^^^^^
  hint: give one site: seoul
bad.yaml:9:20: error: pools.app.sites[1]: no backend stands in this site
    9 |     sites: [seoul, busan]
      |                    ^^^^^
  hint: give one site: busan
`,
)

bad(
  'a misspelled site',
  standby('sites: [seoul]', inSites('seoul', 'seol')),
  `
bad.yaml:7:103: error: pools.app.backends.seol.site: there is no site "seol"
    7 |     backends: { seoul: { address: "10.0.0.1:80", site: seoul }, seol: { address: "10.0.0.2:80", site: seol } }
      |                                                                                                       ^^^^
  hint: did you mean seoul?
`,
)

bad(
  'a site of a pool without sites',
  standby('', inSites('seoul')),
  `
bad.yaml:7:56: error: pools.app.backends.seoul.site: this pool has no sites
    7 |     backends: { seoul: { address: "10.0.0.1:80", site: seoul } }
      |                                                        ^^^^^
  hint: add sites: [seoul] to pools.app, in order of preference
`,
)

bad(
  'a site twice',
  standby('sites: [seoul, busan, seoul]', inSites('seoul', 'busan')),
  `
bad.yaml:9:27: error: pools.app.sites[2]: is in this list twice (line 9)
    9 |     sites: [seoul, busan, seoul]
      |                           ^^^^^
  hint: remove it
`,
)

bad(
  'a site with a space in its name',
  standby('sites: [seoul 1]', inSites('seoul 1')),
  `
bad.yaml:7:17: error: pools.app.backends["seoul 1"]: "seoul 1" cannot be a name
    7 |     backends: { seoul 1: { address: "10.0.0.1:80", site: seoul 1 } }
      |                 ^^^^^^^
  hint: use letters, digits, dots, - and _; begin with a letter or digit; at most 64
bad.yaml:9:13: error: pools.app.sites[0]: "seoul 1" cannot be a name
    9 |     sites: [seoul 1]
      |             ^^^^^^^
  hint: use letters, digits, dots, - and _; begin with a letter or digit; at most 64
`,
)

bad(
  'a warm site without a promote hook, and too few backends',
  standby('sites: { seoul: {}, busan: { class: warm, minHealthy: 2 } }', inSites('seoul', 'busan')),
  `
bad.yaml:9:41: error: pools.app.sites.busan.class: warm takes over only after its promote hook, and there is none
    9 |     sites: { seoul: {}, busan: { class: warm, minHealthy: 2 } }
      |                                         ^^^^
  hint: add failover: { promote: { exec: [/path/to/command] } }, or write hot or cold
bad.yaml:9:59: error: pools.app.sites.busan.minHealthy: 2 is more than the 1 backend of this site
    9 |     sites: { seoul: {}, busan: { class: warm, minHealthy: 2 } }
      |                                                           ^
  hint: make it at most 1
`,
)

bad(
  'a mirror where one backend serves',
  standby('sites: { seoul: hot, busan: mirror }', inSites('seoul', 'busan')),
  `
bad.yaml:9:33: error: pools.app.sites.busan: mirror serves beside other sites, and in an active-standby pool one backend alone serves
    9 |     sites: { seoul: hot, busan: mirror }
      |                                 ^^^^^^
  hint: write hot, warm or cold, or mode: active-active
`,
)

bad(
  'a class that is none',
  standby('sites: { seoul: hot, busan: luke }', inSites('seoul', 'busan')),
  `
bad.yaml:9:33: error: pools.app.sites.busan: "luke" is unknown here
    9 |     sites: { seoul: hot, busan: luke }
      |                                 ^^^^
  hint: available: mirror, hot, warm, cold
`,
)

bad(
  'mirrors apart',
  standby('sites: { a: mirror, b: hot, c: mirror }', inSites('a', 'b', 'c')).replace(
    'active-standby',
    'active-active',
  ),
  `
bad.yaml:9:36: error: pools.app.sites.c: is a mirror apart from the other mirrors, which serve together (line 9)
    9 |     sites: { a: mirror, b: hot, c: mirror }
      |                                    ^^^^^^
  hint: put the mirrors next to each other
`,
)

bad(
  'what only one active can have, between sites',
  standby('failover: { elect: role, agreement: etcd }\n    sites: [a, b]', inSites('a', 'b'))
    .replace('active-standby', 'active-active')
    .replace('tcp: {}', 'http: /'),
  `
bad.yaml:9:24: error: pools.app.failover.elect: a http check without primary does not ask a backend for its role (line 8)
    9 |     failover: { elect: role, agreement: etcd }
      |                        ^^^^
  hint: use a check that does: redis, postgres, mysql, or http with primary
bad.yaml:9:24: error: pools.app.failover.elect: role picks one backend, and in an active-active pool sites are picked
    9 |     failover: { elect: role, agreement: etcd }
      |                        ^^^^
  hint: remove it, or write mode: active-standby
bad.yaml:9:41: error: pools.app.failover.agreement: etcd is for mode: active-standby, where two active ones would do harm
    9 |     failover: { elect: role, agreement: etcd }
      |                                         ^^^^
  hint: remove it, or write mode: active-standby
`,
)

bad(
  'an overflow where one alone serves',
  failover('overflow: true'),
  `
bad.yaml:9:17: error: pools.app.failover.overflow: is for the sites of an active-active pool: in an active-standby pool one backend serves
    9 |     failover: { overflow: true }
      |                 ^^^^^^^^
  hint: remove it, or write mode: active-active
`,
)

bad(
  'an election by role beside a check with another mistake, without an echo,',
  failover('elect: role').replace('tcp: {}', 'http: [ ]'),
  `
bad.yaml:8:26: error: pools.app.healthCheck.http: expected a path, or a map with path, status, ..., found a list
    8 |     healthCheck: { http: [ ] }
      |                          ^^^
`,
)
