// Settings that contradict each other.

import { backends, bad, pool, route, top, web } from './cases.ts'

bad(
  'an unknown pool',
  web('pool: ap'),
  `
bad.yaml:2:31: error: listeners.web.pool: there is no pool "ap"
    2 |   web: { bind: ":8080", pool: ap }
      |                               ^^
  hint: did you mean app?
`,
)

bad(
  'an unknown pool that nothing resembles',
  web('pool: something'),
  `
bad.yaml:2:31: error: listeners.web.pool: there is no pool "something"
    2 |   web: { bind: ":8080", pool: something }
      |                               ^^^^^^^^^
  hint: pools: app
`,
)

bad(
  'an unknown pool in a route',
  route('{ match: { path: /a }, pool: api }\n      - { pool: app }'),
  `
bad.yaml:5:38: error: listeners.web.routes[0].pool: there is no pool "api"
    5 |       - { match: { path: /a }, pool: api }
      |                                      ^^^
  hint: did you mean app?
`,
)

bad(
  'an address bound twice',
  'listeners:\n  web: { bind: "127.0.0.1:80", pool: app }\n  api: { bind: "127.0.0.1:80", pool: app }\npools:\n  app: { backends: [10.0.0.1:80, 10.0.0.2:80] }\n',
  `
bad.yaml:3:16: error: listeners.api.bind: 127.0.0.1:80 is already taken by listener web (line 2)
    3 |   api: { bind: "127.0.0.1:80", pool: app }
      |                ^^^^^^^^^^^^^^
  hint: give each listener a port or address of its own
`,
)

bad(
  'an address that overlaps another',
  'listeners:\n  web: { bind: "0.0.0.0:80", pool: app }\n  api: { bind: "127.0.0.1:80", pool: app }\n  six: { bind: "[::1]:80", pool: app }\n  all: { bind: ":80", pool: app }\npools:\n  app: { backends: [10.0.0.1:80, 10.0.0.2:80] }\n',
  `
bad.yaml:3:16: error: listeners.api.bind: 127.0.0.1:80 overlaps 0.0.0.0:80 of listener web (line 2)
    3 |   api: { bind: "127.0.0.1:80", pool: app }
      |                ^^^^^^^^^^^^^^
  hint: give each listener a port or address of its own
bad.yaml:5:16: error: listeners.all.bind: :80 overlaps 0.0.0.0:80 of listener web (line 2)
    5 |   all: { bind: ":80", pool: app }
      |                ^^^^^
  hint: give each listener a port or address of its own
`,
)

bad(
  'the admin address taken',
  top('admin: { bind: 127.0.0.1:8080 }'),
  `
bad.yaml:1:16: error: admin.bind: 127.0.0.1:8080 overlaps :8080 of listener web (line 2)
    1 | admin: { bind: 127.0.0.1:8080 }
      |                ^^^^^^^^^^^^^^
  hint: give each listener a port or address of its own
`,
)

bad(
  'the default admin address taken',
  'listeners:\n  web: { bind: ":9900", pool: app }\npools:\n  app: { backends: [10.0.0.1:80, 10.0.0.2:80] }\n',
  `
bad.yaml:2:16: error: listeners.web.bind: :9900 overlaps 127.0.0.1:9900 of the admin API
    2 |   web: { bind: ":9900", pool: app }
      |                ^^^^^^^
  hint: choose another port, or give admin another one: admin: { bind: 127.0.0.1:9901 }
`,
)

bad(
  'weight 0 everywhere',
  backends('{ a: { address: 10.0.0.1:80, weight: 0 }, b: { address: 10.0.0.2:80, weight: 0 } }'),
  `
bad.yaml:5:5: error: pools.app.backends: every backend has weight 0, so none would get traffic
    5 |     backends: { a: { address: 10.0.0.1:80, weight: 0 }, b: { address: 10.0.0.2:80, weight: 0 } }
      |     ^^^^^^^^
  hint: give at least one of them a weight above 0
`,
)

bad(
  'no backend at all',
  backends('{}'),
  `
bad.yaml:5:15: error: pools.app.backends: is empty
    5 |     backends: {}
      |               ^^
  hint: add a backend, such as a: 127.0.0.1:9000
`,
)

bad(
  'a probe longer than its interval',
  pool('healthCheck: { tcp: {}, interval: 1s, timeout: 2s }'),
  `
bad.yaml:6:52: error: pools.app.healthCheck.timeout: 2s is longer than the interval of 1s
    6 |     healthCheck: { tcp: {}, interval: 1s, timeout: 2s }
      |                                                    ^^
  hint: make it at most 1s, or raise interval
`,
)

bad(
  'a fast interval longer than the interval',
  pool('healthCheck: { tcp: {}, interval: 1s, fastInterval: 2s }'),
  `
bad.yaml:6:57: error: pools.app.healthCheck.fastInterval: 2s is longer than the interval of 1s
    6 |     healthCheck: { tcp: {}, interval: 1s, fastInterval: 2s }
      |                                                         ^^
  hint: make it at most 1s, or raise interval
`,
)

bad(
  'a check with two ways to probe',
  pool('healthCheck: { tcp: {}, http: /health }'),
  `
bad.yaml:6:20: error: pools.app.healthCheck.tcp: http and tcp are both given
    6 |     healthCheck: { tcp: {}, http: /health }
      |                    ^^^
  hint: keep one of the two
`,
)

bad(
  'a check without a way to probe',
  pool('healthCheck: { interval: 1s }'),
  `
bad.yaml:6:5: error: pools.app.healthCheck: does not say how to probe
    6 |     healthCheck: { interval: 1s }
      |     ^^^^^^^^^^^
  hint: add http: /health, or tcp: {}
`,
)

bad(
  'a port to probe on a unix socket',
  backends('[unix:/run/a.sock, unix:/run/b.sock]\n    healthCheck: { tcp: {}, port: 81 }'),
  `
bad.yaml:6:35: error: pools.app.healthCheck.port: a backend of this pool is a unix socket, which has no port
    6 |     healthCheck: { tcp: {}, port: 81 }
      |                                   ^^
  hint: remove port
`,
)

bad(
  'a response timeout longer than the total',
  pool('timeouts: { total: 5s, response: 10s }'),
  `
bad.yaml:6:38: error: pools.app.timeouts.response: 10s is longer than the total timeout of 5s (line 6)
    6 |     timeouts: { total: 5s, response: 10s }
      |                                      ^^^
  hint: make it at most 5s, or raise total
`,
)

bad(
  'a queue timeout longer than the total',
  pool('timeouts: { total: 5s, queue: 10s }'),
  `
bad.yaml:6:35: error: pools.app.timeouts.queue: 10s is longer than the total timeout of 5s (line 6)
    6 |     timeouts: { total: 5s, queue: 10s }
      |                                   ^^^
  hint: make it at most 5s, or raise total
`,
)

bad(
  'more kept available than there are',
  pool('minAvailable: 3'),
  `
bad.yaml:6:19: error: pools.app.minAvailable: 3 is more than the 2 backends of this pool
    6 |     minAvailable: 3
      |                   ^
  hint: make it at most 1
`,
)

bad(
  'an ejection longer than the longest',
  pool('outlierDetection: { ejectTime: 10m }'),
  `
bad.yaml:6:36: error: pools.app.outlierDetection.ejectTime: ejectTime 10m is longer than maxEjectTime 5m
    6 |     outlierDetection: { ejectTime: 10m }
      |                                    ^^^
  hint: raise maxEjectTime, or lower ejectTime
`,
)

bad(
  'a longest ejection shorter than one',
  pool('outlierDetection: { maxEjectTime: 5s }'),
  `
bad.yaml:6:39: error: pools.app.outlierDetection.maxEjectTime: ejectTime 10s is longer than maxEjectTime 5s
    6 |     outlierDetection: { maxEjectTime: 5s }
      |                                       ^^
  hint: raise maxEjectTime, or lower ejectTime
`,
)

bad(
  'a backoff upside down',
  pool('retry: { backoff: { min: 1s } }'),
  `
bad.yaml:6:30: error: pools.app.retry.backoff.min: min 1s is longer than max 250ms
    6 |     retry: { backoff: { min: 1s } }
      |                              ^^
  hint: raise max, or lower min
`,
)

bad(
  'a target larger than its head',
  web('pool: app, limits: { head: 4KiB }'),
  `
bad.yaml:2:52: error: listeners.web.limits.head: a target of 8KiB does not fit into a head of 4KiB
    2 |   web: { bind: ":8080", pool: app, limits: { head: 4KiB } }
      |                                                    ^^^^
  hint: make head larger than target
`,
)

bad(
  'a listener that leads nowhere',
  'listeners:\n  web: { bind: ":8080" }\npools:\n  app: { backends: [10.0.0.1:80, 10.0.0.2:80] }\n',
  `
bad.yaml:2:3: error: listeners.web: leads nowhere
    2 |   web: { bind: ":8080" }
      |   ^^^
  hint: add pool: NAME, or routes
`,
)

bad(
  'a listener with pool and routes',
  web('pool: app, routes: [ { pool: app } ]'),
  `
bad.yaml:2:25: error: listeners.web.pool: pool and routes are both given
    2 |   web: { bind: ":8080", pool: app, routes: [ { pool: app } ] }
      |                         ^^^^
  hint: remove pool, and end routes with - pool: NAME for everything else
`,
)

bad(
  'an empty list of routes',
  web('routes: []'),
  `
bad.yaml:2:33: error: listeners.web.routes: is empty
    2 |   web: { bind: ":8080", routes: [] }
      |                                 ^^
  hint: add a route, such as - pool: NAME
`,
)

bad(
  'a tcp listener with routes',
  web('protocol: tcp, routes: [ { pool: app } ]'),
  `
bad.yaml:2:40: error: listeners.web.routes: is for protocol: http only, and this listener is tcp
    2 |   web: { bind: ":8080", protocol: tcp, routes: [ { pool: app } ] }
      |                                        ^^^^^^
  hint: a tcp listener has one pool: write pool: NAME
`,
)

bad(
  'a tcp listener without a pool',
  web('protocol: tcp'),
  `
bad.yaml:2:3: error: listeners.web.pool: is missing
    2 |   web: { bind: ":8080", protocol: tcp }
      |   ^^^
  hint: a tcp listener needs a pool: pool: NAME
`,
)

bad(
  'a tcp listener with what only http has',
  web('protocol: tcp, pool: app, forwarded: true, trustForwarded: 10.0.0.0/8'),
  `
bad.yaml:2:51: error: listeners.web.forwarded: is for protocol: http only, and this listener is tcp
    2 |   web: { bind: ":8080", protocol: tcp, pool: app, forwarded: true, trustForwarded: 10.0.0.0/8 }
      |                                                   ^^^^^^^^^
  hint: remove it
bad.yaml:2:68: error: listeners.web.trustForwarded: is for protocol: http only, and this listener is tcp
    2 |   web: { bind: ":8080", protocol: tcp, pool: app, forwarded: true, trustForwarded: 10.0.0.0/8 }
      |                                                                    ^^^^^^^^^^^^^^
  hint: remove it
`,
)

bad(
  'a route that does nothing',
  route('{ match: { path: /a } }'),
  `
bad.yaml:5:9: error: listeners.web.routes[0]: says nothing to do
    5 |       - { match: { path: /a } }
      |         ^^^^^^^^^^^^^^^^^^^^^^^
  hint: add one of pool, redirect or respond
`,
)

bad(
  'a route that does two things',
  route('{ pool: app, respond: 404 }'),
  `
bad.yaml:5:22: error: listeners.web.routes[0].respond: pool and respond are given together
    5 |       - { pool: app, respond: 404 }
      |                      ^^^^^^^
  hint: a route does one thing: keep one of them
`,
)

bad(
  'a match with two paths',
  route('{ match: { path: /a, pathExact: /b }, pool: app }'),
  `
bad.yaml:5:30: error: listeners.web.routes[0].match.pathExact: path and pathExact are both given
    5 |       - { match: { path: /a, pathExact: /b }, pool: app }
      |                              ^^^^^^^^^
  hint: keep one of the two
`,
)

bad(
  'a route that changes the path twice',
  route('{ match: { path: /a }, pool: app, stripPrefix: true, replacePrefix: /b }'),
  `
bad.yaml:5:62: error: listeners.web.routes[0].replacePrefix: stripPrefix and replacePrefix are both given
    5 |       - { match: { path: /a }, pool: app, stripPrefix: true, replacePrefix: /b }
      |                                                              ^^^^^^^^^^^^^
  hint: keep one of the two
`,
)

bad(
  'a prefix that is not said',
  route('{ pool: app, stripPrefix: true }'),
  `
bad.yaml:5:35: error: listeners.web.routes[0].stripPrefix: does not say which prefix, and the route has no match.path
    5 |       - { pool: app, stripPrefix: true }
      |                                   ^^^^
  hint: write stripPrefix: /v1
`,
)

bad(
  'a slash taken off',
  route('{ pool: app, stripPrefix: / }'),
  `
bad.yaml:5:35: error: listeners.web.routes[0].stripPrefix: / alone cannot be taken off a path
    5 |       - { pool: app, stripPrefix: / }
      |                                   ^
  hint: remove stripPrefix
`,
)

bad(
  'a prefix taken off a redirect',
  route('{ match: { path: /a }, redirect: /b, stripPrefix: true }'),
  `
bad.yaml:5:46: error: listeners.web.routes[0].stripPrefix: has no effect with redirect, because nothing goes to a backend
    5 |       - { match: { path: /a }, redirect: /b, stripPrefix: true }
      |                                              ^^^^^^^^^^^
  hint: remove it
`,
)

bad(
  'a name of a route with a space',
  route('{ name: my route, pool: app }'),
  `
bad.yaml:5:17: error: listeners.web.routes[0].name: "my route" cannot be a name
    5 |       - { name: my route, pool: app }
      |                 ^^^^^^^^
  hint: use letters, digits, dots, - and _; begin with a letter or digit; at most 64
`,
)

bad(
  'a file with several mistakes',
  'log: { level: loud }\nlisteners:\n  web: { bind: 80, pool: ap }\n  api: { bind: ":81", pool: ap, tsl: {} }\n  raw: { bind: ":81", protocol: tcp, pool: other }\npools:\n  app:\n    backends: { a: 10.0.0.1, b: 10.0.0.2:80 }\n    timeouts: { connect: 5, total: 1m, response: 2m }\n    healthCheck: { http: /, interval: 1s, timeout: 2s }\n',
  `
bad.yaml:1:15: error: log.level: "loud" is unknown here
    1 | log: { level: loud }
      |               ^^^^
  hint: available: trace, debug, info, warn, error, fatal, silent
bad.yaml:3:16: error: listeners.web.bind: "80" is a port without an address
    3 |   web: { bind: 80, pool: ap }
      |                ^^
  hint: write 127.0.0.1:80 for this machine only, or :80 for all addresses
bad.yaml:4:29: error: listeners.api.pool: there is no pool "ap"
    4 |   api: { bind: ":81", pool: ap, tsl: {} }
      |                             ^^
  hint: did you mean app?
bad.yaml:4:33: error: listeners.api.tsl: there is no such key
    4 |   api: { bind: ":81", pool: ap, tsl: {} }
      |                                 ^^^
  hint: keys here: bind, protocol, routes, pool, role, trustForwarded, forwarded, maxConnections, limits, timeouts
bad.yaml:5:16: error: listeners.raw.bind: :81 is already taken by listener api (line 4)
    5 |   raw: { bind: ":81", protocol: tcp, pool: other }
      |                ^^^^^
  hint: give each listener a port or address of its own
bad.yaml:5:44: error: listeners.raw.pool: there is no pool "other"
    5 |   raw: { bind: ":81", protocol: tcp, pool: other }
      |                                            ^^^^^
  hint: pools: app
bad.yaml:8:20: error: pools.app.backends.a: "10.0.0.1" has no port
    8 |     backends: { a: 10.0.0.1, b: 10.0.0.2:80 }
      |                    ^^^^^^^^
  hint: write 10.0.0.1:8080
bad.yaml:9:26: error: pools.app.timeouts.connect: "5" has no unit
    9 |     timeouts: { connect: 5, total: 1m, response: 2m }
      |                          ^
  hint: write 5ms, 5s or 5m; the units are ms, s, m, h and d
bad.yaml:10:52: error: pools.app.healthCheck.timeout: 2s is longer than the interval of 1s
   10 |     healthCheck: { http: /, interval: 1s, timeout: 2s }
      |                                                    ^^
  hint: make it at most 1s, or raise interval
`,
)

bad(
  'a pool of a listener that has another mistake',
  web('pool: ap, maxConnections: none'),
  `
bad.yaml:2:31: error: listeners.web.pool: there is no pool "ap"
    2 |   web: { bind: ":8080", pool: ap, maxConnections: none }
      |                               ^^
  hint: did you mean app?
bad.yaml:2:51: error: listeners.web.maxConnections: "none" is not a whole number
    2 |   web: { bind: ":8080", pool: ap, maxConnections: none }
      |                                                   ^^^^
  hint: write a whole number from 1 to 10000000
`,
)

bad(
  'a reference to a pool that has a mistake itself',
  'listeners:\n  web: { bind: ":8080", pool: app }\n  api: { bind: ":8081", pool: nap }\npools:\n  app: 5\n',
  `
bad.yaml:5:8: error: pools.app: expected a pool: a map with backends, found "5"
    5 |   app: 5
      |        ^
`,
)

bad(
  'a mistake behind names made of digits',
  'listeners:\n  web: { bind: ":8080", pool: app }\npools:\n  app:\n    backends:\n      10: 10.0.0.1:80\n      9: 10.0.0.1\n',
  `
bad.yaml:7:10: error: pools.app.backends.9: "10.0.0.1" has no port
    7 |       9: 10.0.0.1
      |          ^^^^^^^^
  hint: write 10.0.0.1:8080
`,
)
