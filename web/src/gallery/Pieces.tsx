import { AlarmGlyph } from "../parts/AlarmGlyph";
import { Button } from "../parts/Button";
import { TextDiff } from "../parts/Diff";
import { Icon } from "../parts/Icon";
import { Empty, Loading, Section } from "../parts/Panel";

export function Buttons() {
  return (
    <Section title="Buttons, chips, write">
      <div className="button-row">
        <Button kind="primary" keyCap="A">Acknowledge</Button><Button keyCap="S">Shelve</Button><Button className="demo-focus">In focus</Button><Button unavailable="needs the operator role">Not allowed</Button>
      </div>
      <div className="write-row"><span className="quiet">Speed</span><b>1 470 → 1 485</b><span className="unit">rpm</span><span className="quiet small">900 to 1 500</span><span className="toolbar-right"><Button kind="primary" size="small">Write</Button><Button size="small">Cancel</Button></span></div>
    </Section>
  );
}

export function Rows() {
  return (
    <Section title="Table row" note="28 px dense, 36 standard, 44 touch">
      <table className="table"><tbody>
        <tr><td className="gutter" /><th scope="row"><b>P-101</b></th><td>at rest</td><td className="number">2.31<span className="unit">mm/s</span></td></tr>
        <tr className="demo-over"><td className="gutter" /><th scope="row"><b>P-102</b></th><td>pointer over</td><td className="number">2.28<span className="unit">mm/s</span></td></tr>
        <tr className="demo-selected"><td className="gutter"><AlarmGlyph priority="P2" state="UNACKNOWLEDGED" size={22} /></td><th scope="row"><b>P-103</b></th><td>selected</td><td className="number">5.24<span className="unit">mm/s</span></td></tr>
        <tr className="demo-focused"><td className="gutter" /><th scope="row"><b>P-104</b></th><td>keyboard focus</td><td className="number">1.90<span className="unit">mm/s</span></td></tr>
      </tbody></table>
    </Section>
  );
}

export function PanelStates() {
  return (
    <Section title="States of a panel">
      <div className="gallery-pair">
        <div><b className="quiet">Loading</b><Loading /></div>
        <div><b className="quiet">Empty</b><Empty text="No alarm rule watches this asset." action={<Button size="small">Add a rule</Button>} /></div>
        <div><b className="quiet">Error</b><Empty text="History did not answer in 10 s. Live values still run." action={<Button size="small">Try again</Button>} /></div>
        <div><b className="quiet">No right</b><Empty text="Commands need the operator role." /></div>
      </div>
    </Section>
  );
}

export function ChangeSample() {
  return <Section title="Change" note="sign and weight, not only tint"><TextDiff before={'{\n  "poll_ms": 1000,\n  "unit": "mm/s"\n}'} after={'{\n  "poll_ms": 500,\n  "unit": "mm/s"\n}'} /></Section>;
}

export function Banners() {
  return (
    <Section title="Banner and toast">
      <div className="banner banner-lost"><b>Link lost 14 s ago</b><span>Values are from 14:31:54. Alarms may be missing.</span></div>
      <div className="toast"><Icon name="check" /><span>2 alarms acknowledged</span></div>
      <p className="quiet small">Banner: the screen cannot be trusted. Toast: your own action worked, 6 s. An alarm is never a toast.</p>
    </Section>
  );
}
