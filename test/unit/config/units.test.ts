import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  durationMaxMs,
  formatDuration,
  formatRatio,
  formatSize,
  readDuration,
  readInteger,
  readRatio,
  readSize,
} from '../../../src/config/units.ts'

const value = (number: number) => ({ ok: true, value: number })

test('durations are read in every unit, joined and with fractions', () => {
  for (const [text, milliseconds] of [
    ['500ms', 500],
    ['2s', 2000],
    ['1.5s', 1500],
    ['0.1s', 100],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
    ['1h30m', 5_400_000],
    ['1m30s500ms', 90_500],
    ['0', 0],
    ['0s', 0],
    ['24d', durationMaxMs],
  ] as const) {
    assert.deepEqual(readDuration(text), value(milliseconds), text)
  }
})

test('what is no duration is refused', () => {
  for (const text of [
    '',
    ' ',
    '5',
    '1.5',
    '-1s',
    '+1s',
    '1 s',
    's',
    '1x',
    '1S',
    '1e3s',
    '1s2',
    '1s1s',
    '25d',
    'NaN',
    'Infinity',
    '1.s',
    '.5s',
    '0.0001s',
    '1_000s',
    '1s ',
  ]) {
    assert.equal(readDuration(text).ok, false, JSON.stringify(text))
  }
})

test('every duration in whole milliseconds survives writing and reading', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: durationMaxMs }), (milliseconds) => {
      assert.deepEqual(readDuration(formatDuration(milliseconds)), value(milliseconds))
    }),
  )
  assert.equal(formatDuration(90_500), '1m30s500ms')
})

test('sizes are powers of 1024', () => {
  for (const [text, bytes] of [
    ['0', 0],
    ['512B', 512],
    ['64KiB', 65_536],
    ['1.5MiB', 1_572_864],
    ['2 GiB', 2_147_483_648],
  ] as const) {
    assert.deepEqual(readSize(text), value(bytes), text)
  }
  for (const text of [
    '',
    '64',
    '64K',
    '64kb',
    '64 KB',
    '0.1B',
    '-1B',
    '1TiB',
    'KiB',
    '9e9GiB',
    '99999999GiB',
  ]) {
    assert.equal(readSize(text).ok, false, JSON.stringify(text))
  }
})

test('every size survives writing and reading', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (bytes) => {
      assert.deepEqual(readSize(formatSize(bytes)), value(bytes))
    }),
  )
})

test('shares are percentages, or numbers up to 1', () => {
  for (const [text, ratio] of [
    ['50%', 0.5],
    ['99.9%', 0.999],
    ['99.99%', 0.9999],
    ['0%', 0],
    ['100%', 1],
    ['12.5 %', 0.125],
    ['0.5', 0.5],
    ['.5', 0.5],
    ['1', 1],
    ['0', 0],
  ] as const) {
    assert.deepEqual(readRatio(text), value(ratio), text)
  }
  for (const text of ['', '%', '50', '101%', '-1%', '1.1', 'half', '5 percent', '1e-3', 'NaN']) {
    assert.equal(readRatio(text).ok, false, JSON.stringify(text))
  }
})

test('every share survives writing and reading', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1_000_000 }), (millionths) => {
      const ratio = millionths / 1_000_000
      assert.deepEqual(readRatio(formatRatio(ratio)), value(ratio))
    }),
  )
  assert.equal(formatRatio(0.999), '99.9%')
  assert.equal(formatRatio(1), '100%')
})

test('whole numbers are decimal digits within their range', () => {
  assert.deepEqual(readInteger('007', 0, 10), value(7))
  assert.deepEqual(readInteger('-3', -5, 10), value(-3))
  for (const text of ['', '1.0', '0x10', '1e2', '1_0', ' 1', '11', '-1', '99999999999999999999']) {
    assert.equal(readInteger(text, 0, 10).ok, false, JSON.stringify(text))
  }
})

test('no text makes a reader throw, or give a number outside its range', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.smhdKMGiB%-]{0,8}$/)), (text) => {
      for (const read of [readDuration, readSize, readRatio]) {
        const reading = read(text)
        if (reading.ok) assert.ok(Number.isFinite(reading.value) && reading.value >= 0)
        else assert.ok(reading.message !== '')
      }
    }),
  )
})
