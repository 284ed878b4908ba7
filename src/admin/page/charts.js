// Requests, failures and latency of a pool over the last minutes, drawn by uPlot. Drawn only while they
// are looked at. The same figures stand above as text, which is what a screen reader gets.

import uPlot from './uplot.js'
import { make } from './dom.js'
import { KEPT_S } from './samples.js'

const HEIGHT = 150

export class Charts {
  #plots = []
  #box = make('div', { class: 'charts' })
  element

  /** @param again draws what there is */
  constructor(pool, again) {
    this.element = make(
      'details',
      { class: 'chart-box' },
      make('summary', {}, `Charts of ${pool}: requests, failures, latency`),
      this.#box,
    )
    this.element.addEventListener('toggle', () => {
      if (this.element.open) again()
      else this.#clear()
    })
  }

  get isOpen() {
    return this.element.open
  }

  update([seconds, rate, failing, p50, p99]) {
    if (this.#plots.length === 0) this.#make()
    const width = Math.max(
      220,
      Math.floor(this.#box.clientWidth / (this.#box.clientWidth > 700 ? 2 : 1)) - 8,
    )
    const ages = seconds.map((one) => one - (seconds.at(-1) ?? 0))
    const data = [
      [ages, rate, failing],
      [ages, p50, p99],
    ]
    for (const [i, plot] of this.#plots.entries()) {
      if (plot.width !== width) plot.setSize({ width, height: HEIGHT })
      plot.setData(data[i])
    }
  }

  /** The colours are others now. */
  repaint() {
    this.#clear()
  }

  remove() {
    this.#clear()
  }

  #clear() {
    for (const plot of this.#plots) plot.destroy()
    this.#plots = []
    this.#box.replaceChildren()
  }

  #make() {
    const style = getComputedStyle(document.documentElement)
    const color = (name) => style.getPropertyValue(name).trim()
    const text = color('--text')
    const axis = {
      stroke: text,
      grid: { stroke: color('--line'), width: 1 },
      ticks: { show: false },
    }
    const kinds = [
      {
        title: 'Requests and failures per second',
        lines: ['requests/s', 'failed/s'],
        tint: '--bad',
      },
      { title: 'Latency in ms: median and 99 %', lines: ['p50 ms', 'p99 ms'], tint: '--odd' },
    ]
    this.#plots = kinds.map(({ title, lines: [first, second], tint }) => {
      const line = (label, name, dash) => ({
        label,
        stroke: color(name),
        width: 2,
        dash,
        spanGaps: false,
        points: { show: false },
      })
      const label = `${title}, the last ${KEPT_S / 60} minutes; continuous: ${first}, dashed: ${second}`
      const figure = make('figure', { role: 'img', 'aria-label': label })
      this.#box.append(figure)
      const options = {
        width: 300,
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { time: false, range: [-KEPT_S, 0] },
          y: { range: (_, low, high) => [0, Math.max(1, high * 1.1 || 1)] },
        },
        axes: [
          {
            ...axis,
            values: (_, ticks) =>
              ticks.map((one) => (one === 0 ? 'now' : `${Math.round(-one / 60)} min`)),
            incrs: [60],
            size: 26,
          },
          { ...axis, size: 48 },
        ],
        series: [{}, line(first, '--good', []), line(second, tint, [6, 4])],
      }
      const plot = new uPlot(options, [[], [], []], figure)
      figure.append(make('figcaption', {}, `${title} (${first} continuous, ${second} dashed)`))
      return plot
    })
  }
}
