import { formatNumber, formatStamp, type Language } from "../lib/format";
import { Section } from "../parts/Panel";

export function TypeScale() {
  return (
    <Section title="Type" note="Plex Sans, tabular figures">
      <p><span className="type-28">28 key value</span><span className="type-20">20 title</span><span className="type-17">17 lead</span></p>
      <p>13 body, 0123456789 <span className="type-12">12 secondary</span> <span className="type-11">11 smallest: axis, label</span></p>
    </Section>
  );
}

const PHRASES: [string, string, string][] = [
  ["Acknowledge", "Shelve until end of shift", "Time to respond"],
  ["Квитировать", "Отложить до конца смены", "Время на реакцию"],
  ["Растау", "Ауысым соңына дейін кейінге қалдыру", "Әрекет ету уақыты"],
];

export function LanguageTable() {
  return (
    <Section title="Three languages" note="room for 40 % more">
      <table className="table"><tbody>{PHRASES.map((row) => <tr key={row[0]}>{row.map((text) => <td key={text}>{text}</td>)}</tr>)}</tbody></table>
    </Section>
  );
}

const ROWS: { language: Language; name: string; unit: string }[] = [
  { language: "en", name: "English", unit: "h" },
  { language: "ru", name: "Русский", unit: "ч" },
  { language: "kk", name: "Қазақша", unit: "сағ" },
];
const SAMPLE_AT = Date.UTC(2026, 10, 24, 9, 32, 8);

export function NumberTable() {
  return (
    <Section title="Numbers and time">
      <table className="table"><tbody>
        {ROWS.map(({ language, name, unit }) => (
          <tr key={language}><td className="quiet">{name}</td><td>{formatNumber(18432.5, 1, language)} {unit}</td><td>{formatNumber(-31.4, 1, language)} °C</td><td>{formatStamp(SAMPLE_AT, SAMPLE_AT + 3 * 86_400_000, "UTC", language)}</td></tr>
        ))}
      </tbody></table>
    </Section>
  );
}
