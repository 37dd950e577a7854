import { useState } from "react";
import { type Priority, PRIORITIES } from "../api/types";
import { AlarmGlyph } from "../parts/AlarmGlyph";
import { ComboField } from "../parts/ComboField";
import { NumberField } from "../parts/NumberField";
import { Section } from "../parts/Panel";
import { SearchBox } from "../parts/SearchBox";
import { Select } from "../parts/Select";
import { ViewList, ViewPanel, Views } from "../parts/Views";

/** What is chosen and typed: radius 3, a border that carries 3 : 1, the focus ring in `live`. */
export function Inputs() {
  const [priority, setPriority] = useState<Priority>("P2");
  const [limit, setLimit] = useState("4.5");
  const [series, setSeries] = useState("vibration-de");
  const [text, setText] = useState("pump");
  const [view, setView] = useState("now");
  return (
    <Section title="Inputs" note="arrows, letters, Enter, Escape">
      <div className="form-pair">
        <Select label="Priority" value={priority} onChange={setPriority} options={PRIORITIES.map((id) => ({ id, label: `Priority ${id.slice(1)}`, mark: <AlarmGlyph priority={id} state="ACKNOWLEDGED" size={18} /> }))} />
        <NumberField label="Limit" unit="mm/s" value={limit} onChange={setLimit} />
        <ComboField label="Series" open="Show the series" value={series} onChange={setSeries} options={[{ id: "vibration-de", note: "Vibration, drive end" }, { id: "flow", note: "Flow" }]} />
        <NumberField label="Not available" unit="s" disabled value="15" onChange={() => undefined} />
      </div>
      <div className="button-row input-samples">
        <SearchBox label="Filter" keyCap="F" value={text} onChange={setText} />
        <Views value={view} onChange={setView}>
          <ViewList label="Views" views={[{ id: "now", label: "Now" }, { id: "alarms", label: "Alarms", count: 2 }]} />
          <ViewPanel of={view} className="hidden-text">{view}</ViewPanel>
        </Views>
      </div>
    </Section>
  );
}
