// Keys that are unknown, missing or of the wrong kind.

import { backends, bad, pool, top, web } from './cases.ts'

bad(
  'a misspelled section',
  'listners:\n  web: { bind: ":8080", pool: app }\npools:\n  app: { backends: [10.0.0.1:80, 10.0.0.2:80] }\n',
  `
bad.yaml:1:1: error: listners: there is no such key
    1 | listners:
      | ^^^^^^^^
  hint: did you mean listeners?
`,
)

bad(
  'a misspelled key',
  web('pool: app, protcol: http'),
  `
bad.yaml:2:36: error: listeners.web.protcol: there is no such key
    2 |   web: { bind: ":8080", pool: app, protcol: http }
      |                                    ^^^^^^^
  hint: did you mean protocol?
`,
)

bad(
  'a key in the wrong case',
  web('pool: app, maxconnections: 5'),
  `
bad.yaml:2:36: error: listeners.web.maxconnections: there is no such key
    2 |   web: { bind: ":8080", pool: app, maxconnections: 5 }
      |                                    ^^^^^^^^^^^^^^
  hint: did you mean maxConnections?
`,
)

bad(
  'a key that belongs one level further in',
  pool('interval: 2s'),
  `
bad.yaml:6:5: error: pools.app.interval: there is no such key
    6 |     interval: 2s
      |     ^^^^^^^^
  hint: it belongs in healthCheck: healthCheck: { interval: ... }
`,
)

bad(
  'a key that belongs further out',
  pool('healthCheck: { tcp: {}, minAvailable: 1 }'),
  `
bad.yaml:6:29: error: pools.app.healthCheck.minAvailable: there is no such key
    6 |     healthCheck: { tcp: {}, minAvailable: 1 }
      |                             ^^^^^^^^^^^^
  hint: it belongs further out, in pools.app
`,
)

bad(
  'the word of another proxy for a section',
  top('upstreams: {}'),
  `
bad.yaml:1:1: error: upstreams: there is no such key
    1 | upstreams: {}
      | ^^^^^^^^^
  hint: did you mean pools?
`,
)

bad(
  'the word of another proxy for a key',
  web('address: ":80", pool: app'),
  `
bad.yaml:2:25: error: listeners.web.address: there is no such key
    2 |   web: { bind: ":8080", address: ":80", pool: app }
      |                         ^^^^^^^
  hint: did you mean bind?
`,
)

bad(
  'a key that nothing resembles',
  web('pool: app, compression: true'),
  `
bad.yaml:2:36: error: listeners.web.compression: there is no such key
    2 |   web: { bind: ":8080", pool: app, compression: true }
      |                                    ^^^^^^^^^^^
  hint: keys here: bind, protocol, routes, pool, role, trustForwarded, forwarded, maxConnections, limits, timeouts
`,
)

bad(
  'a key of a later version',
  web('pool: app, tls: { certificate: a.pem }'),
  `
bad.yaml:2:36: error: listeners.web.tls: TLS is not in this version yet
    2 |   web: { bind: ":8080", pool: app, tls: { certificate: ***** } }
      |                                    ^^^
  hint: remove it
`,
)

bad(
  'another key of a later version',
  web('pool: app, http2: true'),
  `
bad.yaml:2:36: error: listeners.web.http2: HTTP/2 is not in this version yet
    2 |   web: { bind: ":8080", pool: app, http2: true }
      |                                    ^^^^^
  hint: remove it
`,
)

bad(
  'a check of a later version',
  pool('healthCheck: { grpc: {} }'),
  `
bad.yaml:6:20: error: pools.app.healthCheck.grpc: the gRPC check is not in this version yet
    6 |     healthCheck: { grpc: {} }
      |                    ^^^^
  hint: remove it
`,
)

bad(
  'a balance of a later version',
  pool('balance: maglev'),
  `
bad.yaml:6:14: error: pools.app.balance: maglev is not in this version yet
    6 |     balance: maglev
      |              ^^^^^^
  hint: available: round-robin, weighted, least-connections, random-two
`,
)

bad(
  'a misspelled balance',
  pool('balance: least-connection'),
  `
bad.yaml:6:14: error: pools.app.balance: "least-connection" is unknown here
    6 |     balance: least-connection
      |              ^^^^^^^^^^^^^^^^
  hint: did you mean least-connections?
`,
)

bad(
  'a foreign balance',
  pool('balance: leastconn'),
  `
bad.yaml:6:14: error: pools.app.balance: "leastconn" is unknown here
    6 |     balance: leastconn
      |              ^^^^^^^^^
  hint: did you mean least-connections?
`,
)

bad(
  'a misspelled log level',
  top('log: { level: warning }'),
  `
bad.yaml:1:15: error: log.level: "warning" is unknown here
    1 | log: { level: warning }
      |               ^^^^^^^
  hint: did you mean warn?
`,
)

bad(
  'a missing section',
  'pools:\n  app: { backends: [10.0.0.1:80, 10.0.0.2:80] }\n',
  `
bad.yaml:1:1: error: listeners: is missing
    1 | pools:
      | ^^^^^
  hint: expected a map from names to listeners
`,
)

bad(
  'an empty section',
  'listeners:\npools:\n  app: { backends: [10.0.0.1:80, 10.0.0.2:80] }\n',
  `
bad.yaml:1:1: error: listeners: is empty
    1 | listeners:
      | ^^^^^^^^^
  hint: expected a map from names to listeners
`,
)

bad(
  'a file without a listener',
  'listeners: {}\n',
  `
bad.yaml:1:12: error: listeners: is empty
    1 | listeners: {}
      |            ^^
  hint: add a listener, such as web: { bind: ":8080" }
`,
)

bad(
  'a file without a pool',
  'listeners:\n  web: { bind: ":8080", pool: app }\n',
  `
bad.yaml:2:31: error: listeners.web.pool: there are no pools
    2 |   web: { bind: ":8080", pool: app }
      |                               ^^^
  hint: add pools: { app: { backends: [...] } }
`,
)

bad(
  'a missing bind',
  'listeners:\n  web: { pool: app }\npools:\n  app: { backends: [10.0.0.1:80, 10.0.0.2:80] }\n',
  `
bad.yaml:2:3: error: listeners.web.bind: is missing
    2 |   web: { pool: app }
      |   ^^^
  hint: expected an address such as 127.0.0.1:8080
`,
)

bad(
  'a pool without the key backends',
  'listeners:\n  web: { bind: ":8080", pool: app }\npools:\n  app: { balance: round-robin }\n',
  `
bad.yaml:4:3: error: pools.app.backends: is missing
    4 |   app: { balance: round-robin }
      |   ^^^
  hint: expected a map from names to addresses, or a list of addresses
`,
)

bad(
  'a list where a map belongs',
  'listeners:\n  - bind: :80\n',
  `
bad.yaml:2:3: error: listeners: expected a map from names to listeners, found a list
    2 |   - bind: :80
      |   ^^^^^^^^^^^
`,
)

bad(
  'a text where a map belongs',
  pool('timeouts: 5s'),
  `
bad.yaml:6:15: error: pools.app.timeouts: expected a map of settings, found "5s"
    6 |     timeouts: 5s
      |               ^^
`,
)

bad(
  'a map where a text belongs',
  pool('balance: { kind: round-robin }'),
  `
bad.yaml:6:14: error: pools.app.balance: expected one of round-robin, weighted, least-connections, random-two, found a map
    6 |     balance: { kind: round-robin }
      |              ^^^^^^^^^^^^^^^^^^^^^
`,
)

bad(
  'a map where a list belongs',
  web('routes: { pool: app }'),
  `
bad.yaml:2:33: error: listeners.web.routes: expected a list of routes, found a map
    2 |   web: { bind: ":8080", routes: { pool: app } }
      |                                 ^^^^^^^^^^^^^
`,
)

bad(
  'an empty value',
  pool('healthCheck:'),
  `
bad.yaml:6:5: error: pools.app.healthCheck: is empty
    6 |     healthCheck:
      |     ^^^^^^^^^^^
  hint: expected false, or a map with http, tcp, redis, postgres or mysql
`,
)

bad(
  'true where a map or false belongs',
  pool('retry: true'),
  `
bad.yaml:6:12: error: pools.app.retry: expected false, or a map of settings, found "true"
    6 |     retry: true
      |            ^^^^
`,
)

bad(
  'a number where a flag belongs',
  web('pool: app, forwarded: 1'),
  `
bad.yaml:2:47: error: listeners.web.forwarded: expected true or false, found "1"
    2 |   web: { bind: ":8080", pool: app, forwarded: 1 }
      |                                               ^
  hint: write true
`,
)

bad(
  'yes where a flag belongs',
  web('pool: app, forwarded: yes'),
  `
bad.yaml:2:47: error: listeners.web.forwarded: expected true or false, found "yes"
    2 |   web: { bind: ":8080", pool: app, forwarded: yes }
      |                                               ^^^
  hint: write true
`,
)

bad(
  'a name with a space',
  'listeners:\n  my web: { bind: ":8080", pool: app }\npools:\n  app: { backends: [10.0.0.1:80, 10.0.0.2:80] }\n',
  `
bad.yaml:2:3: error: listeners["my web"]: "my web" cannot be a name
    2 |   my web: { bind: ":8080", pool: app }
      |   ^^^^^^
  hint: use letters, digits, dots, - and _; begin with a letter or digit; at most 64
`,
)

bad(
  'a listener without a word about it',
  'listeners:\n  web:\npools:\n  app: { backends: [10.0.0.1:80, 10.0.0.2:80] }\n',
  `
bad.yaml:2:3: error: listeners.web: is empty
    2 |   web:
      |   ^^^
  hint: expected a listener: a map with bind and pool or routes
`,
)

bad(
  'a text where an empty map belongs',
  pool('healthCheck: { tcp: 5432 }'),
  `
bad.yaml:6:25: error: pools.app.healthCheck.tcp: expected tcp: {}, or a map with send and expect, found "5432"
    6 |     healthCheck: { tcp: 5432 }
      |                         ^^^^
`,
)

bad(
  'off where false is meant',
  top('admin: off'),
  `
bad.yaml:1:8: error: admin: expected false, or a map with bind, found "off"
    1 | admin: off
      |        ^^^
`,
)

bad(
  'a value of a backend that is misspelled',
  backends('{ a: { adress: 10.0.0.1:80 }, b: 10.0.0.2:80 }'),
  `
bad.yaml:5:22: error: pools.app.backends.a.adress: there is no such key
    5 |     backends: { a: { adress: 10.0.0.1:80 }, b: 10.0.0.2:80 }
      |                      ^^^^^^
  hint: did you mean address?
`,
)

bad(
  "another proxy's word for a standby",
  backends('{ a: 10.0.0.1:80, b: { address: 10.0.0.2:80, backup: true } }'),
  `
bad.yaml:5:60: error: pools.app.backends.b.backup: there is no such key
    5 |     backends: { a: 10.0.0.1:80, b: { address: 10.0.0.2:80, backup: true } }
      |                                                            ^^^^^^
  hint: write mode: active-standby in the pool: the first backend serves, the others stand by
`,
)

bad(
  'a key of failover beside it',
  pool('mode: active-standby\n    healthCheck: { tcp: {} }\n    failback: auto'),
  `
bad.yaml:8:5: error: pools.app.failback: there is no such key
    8 |     failback: auto
      |     ^^^^^^^^
  hint: it belongs in failover: failover: { failback: ... }
`,
)

bad(
  'the word of another proxy for pools, though it resembles cluster',
  top('clusters: []'),
  `
bad.yaml:1:1: error: clusters: there is no such key
    1 | clusters: []
      | ^^^^^^^^
  hint: did you mean pools?
`,
)
