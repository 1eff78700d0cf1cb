import type { BarSeriesOption, EChartsOption, LineSeriesOption } from 'echarts';
import { figure } from '../report.js';
import type { NetworkProfile } from './profile.js';
import { heading, type ScoreCamFile } from './report.js';
import { type Stage, stages } from './stages.js';

/** Pixels. */
const width = 960;
const top = 70;
const rowHeight = 330;

/** Told apart in grey and by colour-blind eyes (Okabe and Ito's palette). */
const colours: Readonly<Record<Stage | 'all', string>> = {
  ...{ maps: '#56b4e9', masks: '#e69f00', forward: '#0072b2', weights: '#cc79a7' },
  ...{ tail: '#009e73', all: '#999999' },
};

/** The profiles as an SVG: for each network masks/s over batch size, and milliseconds a mask by stage. */
export async function chart(file: ScoreCamFile): Promise<string> {
  // Loaded here: the other benches do without.
  const [{ init, use }, charts, components, { SVGRenderer }] = await Promise.all([
    import('echarts/core'),
    import('echarts/charts'),
    import('echarts/components'),
    import('echarts/renderers'),
  ]);
  const { GridComponent, LegendComponent, TitleComponent } = components;
  use([
    ...[charts.LineChart, charts.BarChart, SVGRenderer],
    ...[GridComponent, LegendComponent, TitleComponent],
  ]);
  const height = top + rowHeight * file.networks.length;
  const drawn = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    drawn.setOption(optionsOf(file));
    return `${drawn.renderToSVGString()}\n`;
  } finally {
    drawn.dispose();
  }
}

function optionsOf(file: ScoreCamFile): EChartsOption {
  const { networks, adapter, runtime } = file;
  const at = (row: number) => top + row * rowHeight;
  const axes = networks.flatMap(({ batches }) => {
    const data = batches.map(({ batch }) => String(batch));
    return [data, data];
  });
  return {
    animation: false,
    backgroundColor: '#ffffff',
    title: [
      { text: 'Score-CAM by batch size', subtext: `${adapter}, ${runtime}`, left: 20, top: 8 },
      ...networks.map((profile, row) => ({
        text: heading(profile),
        left: 20,
        top: at(row) + 10,
        textStyle: { fontSize: 12, fontWeight: 'normal' as const },
      })),
    ],
    legend: {
      data: stages.filter(() => networks.some((n) => n.batches.some((b) => b.stagesMs))),
      ...{ right: 20, top: 20 },
    },
    grid: networks.flatMap((_, row) =>
      [70, 550].map((left) => ({ left, top: at(row) + 70, width: 370, height: rowHeight - 125 })),
    ),
    xAxis: axes.map((data, gridIndex) => ({
      ...{ type: 'category', gridIndex, data, name: 'masked copies in a pass' },
      ...{ nameLocation: 'middle', nameGap: 28 },
    })),
    yAxis: axes.map((_, gridIndex) => ({
      ...{ type: 'value', gridIndex, min: 0, nameTextStyle: { align: 'left' } },
      name: gridIndex % 2 === 0 ? 'masks/s' : unitOf(networks[(gridIndex - 1) / 2]),
    })),
    series: networks.flatMap((profile, row) => [rates(profile, 2 * row), ...bars(profile, row)]),
  };
}

const unitOf = ({ batches }: NetworkProfile): string =>
  batches.some((b) => b.stagesMs) ? 'GPU ms a mask' : 'ms a mask (no timestamps)';

const on = (grid: number) => ({ xAxisIndex: grid, yAxisIndex: grid });

function rates({ batches }: NetworkProfile, grid: number): LineSeriesOption {
  return {
    ...{ type: 'line', ...on(grid), color: colours.forward, symbol: 'circle', symbolSize: 8 },
    data: batches.map(({ masksPerSecond }) => masksPerSecond),
    label: { show: true, position: 'top', formatter: ({ value }) => figure(Number(value)) },
  };
}

/** Stacked stages; one bar by the wall clock for batch sizes without timestamps. */
function bars({ batches, masks }: NetworkProfile, row: number): BarSeriesOption[] {
  const stack = (name: Stage | 'all', data: (number | null)[]): BarSeriesOption => ({
    ...{ type: 'bar', ...on(2 * row + 1), stack: String(row), barMaxWidth: 60 },
    ...{ name, color: colours[name], data },
  });
  const stamped = stages.map((stage) =>
    stack(
      stage,
      batches.map(({ stagesMs }) => (stagesMs ? stagesMs[stage] / masks : null)),
    ),
  );
  const whole = batches.map(({ stagesMs, medianMs }) => (stagesMs ? null : medianMs / masks));
  return [...stamped, stack('all', whole)];
}
