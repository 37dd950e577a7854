import { type AlarmState, PRIORITIES } from "../api/types";
import { AlarmGlyph, AsideMark } from "../parts/AlarmGlyph";
import { Section } from "../parts/Panel";

const STATES: { state: AlarmState; name: string; coding: string }[] = [
  { state: "UNACKNOWLEDGED", name: "Unacknowledged", coding: "ring, blinks 1 Hz" },
  { state: "ACKNOWLEDGED", name: "Acknowledged", coding: "filled" },
  { state: "RETURNED_UNACKNOWLEDGED", name: "Returned, unacknowledged", coding: "hollow, ring" },
  { state: "LATCHED_UNACKNOWLEDGED", name: "Latched, unacknowledged", coding: "L, ring" },
  { state: "LATCHED_ACKNOWLEDGED", name: "Latched, acknowledged", coding: "L" },
];

export function GlyphTable() {
  return (
    <Section title="Alarm glyph" note="shape, digit and colour; the ring is the unacknowledged code">
      <table className="table">
        <thead><tr><th scope="col">State</th>{PRIORITIES.map((priority) => <th key={priority} scope="col" className="glyph-cell">{priority}</th>)}<th scope="col">Coding</th></tr></thead>
        <tbody>
          {STATES.map(({ state, name, coding }) => (
            <tr key={state}><td>{name}</td>{PRIORITIES.map((priority) => <td key={priority} className="glyph-cell"><AlarmGlyph priority={priority} state={state} label={`${priority}, ${name}`} /></td>)}<td className="quiet">{coding}</td></tr>
          ))}
          <tr><td>Predicted</td>{PRIORITIES.map((priority) => <td key={priority} className="glyph-cell"><AlarmGlyph priority={priority} state="ACKNOWLEDGED" alarmClass="PREDICTIVE" label={`${priority}, predicted`} /></td>)}<td className="quiet">dashed diamond</td></tr>
          <tr><td>Shelved, suppressed, out</td><td className="glyph-cell"><AsideMark state="SHELVED" /></td><td className="glyph-cell"><AsideMark state="SUPPRESSED" /></td><td className="glyph-cell"><AsideMark state="OUT_OF_SERVICE" /></td><td className="glyph-cell"><AlarmGlyph priority="P3" state="ACKNOWLEDGED" alarmClass="INSTRUMENT" label="Device fault" /></td><td className="quiet">hatch: device fault</td></tr>
        </tbody>
      </table>
    </Section>
  );
}

/** Machado 2009, severity 1.0, as matrices over linear RGB. */
const SIMULATIONS = [
  { id: "none", name: "Normal", matrix: null },
  { id: "protan", name: "Protanopia", matrix: "0.152286 1.052583 -0.204868 0 0 0.114503 0.786281 0.099216 0 0 -0.003882 -0.048116 1.051998 0 0 0 0 0 1 0" },
  { id: "deutan", name: "Deuteranopia", matrix: "0.367322 0.860646 -0.227968 0 0 0.280085 0.672501 0.047413 0 0 -0.011820 0.042940 0.968881 0 0 0 0 0 1 0" },
  { id: "tritan", name: "Tritanopia", matrix: "1.255528 -0.076749 -0.178779 0 0 -0.078411 0.930809 0.147602 0 0 0.004733 0.691367 0.303900 0 0 0 0 0 1 0" },
  { id: "grey", name: "No colour", matrix: "0.2126 0.7152 0.0722 0 0 0.2126 0.7152 0.0722 0 0 0.2126 0.7152 0.0722 0 0 0 0 0 1 0" },
] as const;

export function Simulated() {
  return (
    <Section title="Without full colour" note="simulated">
      <svg className="patterns" width="0" height="0" aria-hidden="true"><defs>{SIMULATIONS.map(({ id, matrix }) => matrix && <filter key={id} id={`sim-${id}`} colorInterpolationFilters="linearRGB"><feColorMatrix type="matrix" values={matrix} /></filter>)}</defs></svg>
      <table className="table simulated">
        <tbody>
          {SIMULATIONS.map(({ id, name, matrix }) => (
            <tr key={id}>
              <td className="quiet small">{name}</td>
              {PRIORITIES.map((priority) => <td key={priority} className="glyph-cell"><svg width="24" height="24" filter={matrix ? `url(#sim-${id})` : undefined} aria-hidden="true"><AlarmGlyph priority={priority} state="ACKNOWLEDGED" /></svg></td>)}
              <td><svg width="24" height="24" filter={matrix ? `url(#sim-${id})` : undefined} aria-hidden="true"><AlarmGlyph priority="P3" state="ACKNOWLEDGED" alarmClass="INSTRUMENT" /></svg></td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}
