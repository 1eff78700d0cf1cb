import type { BarSeriesOption, EChartsOption } from 'echarts';
import { figure } from '../report.js';
import { type PeerName, peerTitles } from './peer.js';
import type { PeersFile } from './report.js';
import { ratioTo } from './runs.js';

/** Pixels. */
const width = 960;
const top = 90;
const rowHeight = 34;

/** Told apart in grey and by colour-blind eyes (Okabe and Ito's palette). */
const bars: Readonly<Partial<Record<PeerName, string>>> = {
  'tfjs-webgpu': '#e69f00',
  'ort-webgpu': '#0072b2',
  'ort-plain': '#56b4e9',
  'ort-wasm': '#999999',
};

/** How many times as long as ours each peer takes, as an SVG; the axis is logarithmic. */
export async function chart(file: PeersFile): Promise<string> {
  const [{ init, use }, charts, components, { SVGRenderer }] = await Promise.all([
    import('echarts/core'),
    import('echarts/charts'),
    import('echarts/components'),
    import('echarts/renderers'),
  ]);
  const { GridComponent, LegendComponent, MarkLineComponent, TitleComponent } = components;
  use([charts.BarChart, SVGRenderer, GridComponent, LegendComponent]);
  use([MarkLineComponent, TitleComponent]);
  const height = top + rowHeight * Math.max(1, file.cases.length) + 50;
  const drawn = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    drawn.setOption(optionsOf(file));
    return `${drawn.renderToSVGString()}\n`;
  } finally {
    drawn.dispose();
  }
}

function optionsOf({ cases, adapter, runtime }: PeersFile): EChartsOption {
  const names = (Object.keys(bars) as PeerName[]).filter((name) =>
    cases.some((c) => ratioTo(c, name) !== undefined),
  );
  const series = names.map(
    (name): BarSeriesOption => ({
      ...{ type: 'bar', name: peerTitles[name], color: bars[name]!, barGap: '10%' },
      data: cases.map((c) => {
        const ratio = ratioTo(c, name);
        const isWrong = c.peers.find(({ peer }) => peer === name)?.isWrong === true;
        if (ratio === undefined) return null;
        const itemStyle = isWrong ? { itemStyle: { opacity: 0.3 } } : {};
        return { value: Number(ratio.toPrecision(3)), ...itemStyle };
      }),
      label: {
        ...{ show: true, position: 'right', fontSize: 9 },
        formatter: ({ value }) => figure(Number(value)),
      },
    }),
  );
  if (series[0]) {
    const line = { data: [{ xAxis: 1 }], symbol: 'none', label: { show: false } };
    series[0] = { ...series[0], markLine: { ...line, lineStyle: { color: '#000000' } } };
  }
  return {
    animation: false,
    backgroundColor: '#ffffff',
    title: {
      text: 'How many times as long as webgpu-cam the others take',
      subtext: `${adapter}, ${runtime}; pale: the result is wrong`,
      ...{ left: 20, top: 8 },
    },
    legend: { data: names.map((name) => peerTitles[name]), left: 20, top: 60 },
    grid: { left: 200, right: 60, top, bottom: 40 },
    xAxis: { type: 'log', min: 0.01, axisLabel: { formatter: '{value}' } },
    yAxis: { type: 'category', inverse: true, data: cases.map(({ id }) => id) },
    series,
  };
}
