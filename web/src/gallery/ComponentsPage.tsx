import { useTranslation } from "react-i18next";
import { preferences } from "../lib/preferences";
import { useSignal } from "../lib/signal";
import { chooseLanguage, LANGUAGES } from "../i18n/i18n";
import { useLanguage } from "../i18n/useLanguage";
import { Choice } from "../parts/Choice";
import { PaletteSwitch } from "../shell/PaletteSwitch";
import { useTitle } from "../shell/trail";
import "../styles/gallery.css";
import "../styles/overview.css";
import { GlyphTable, Simulated } from "./Glyphs";
import { Inputs } from "./Inputs";
import { LanguageTable, NumberTable, TypeScale } from "./Texts";
import { Banners, Buttons, ChangeSample, PanelStates, Rows } from "./Pieces";
import { ConditionSamples, IndicatorFigure, LaneSample, QualityTable } from "./Values";

const TOKENS = ["chrome", "bg", "well", "raised", "sel", "band", "exp", "line", "line2", "ink3", "ink2", "ink", "live", "p1", "p2", "p3", "p4", "fault"];

/** Every component in every state, in the palette and language of the moment. */
export default function ComponentsPage() {
  const { t } = useTranslation();
  const language = useLanguage();
  const { theme } = useSignal(preferences);
  useTitle(t("nav.components"));
  return (
    <div className="gallery">
      <header className="gallery-head">
        <h1>Flash components</h1><span className="type-17 quiet">{t(`palette.${theme}`)}</span>
        <span className="toolbar-right">
          <Choice label={t("person.language")} value={language} options={LANGUAGES.map(({ id, name }) => ({ id, label: name }))} onChange={(next) => void chooseLanguage(next)} />
          <PaletteSwitch />
        </span>
      </header>
      <Swatches key={theme} />
      <div className="gallery-columns">
        <div><GlyphTable /><Simulated /><TypeScale /><LanguageTable /><NumberTable /></div>
        <div><QualityTable /><IndicatorFigure /><ConditionSamples /><ChangeSample /><Banners /></div>
        <div><LaneSample /><Buttons /><Inputs /><Rows /><PanelStates /></div>
      </div>
    </div>
  );
}

function Swatches() {
  const style = getComputedStyle(document.documentElement);
  return (
    <div className="swatches">
      {TOKENS.map((token) => (
        <div key={token} className="swatch-token">
          <svg viewBox="0 0 70 26" preserveAspectRatio="none" aria-hidden="true"><rect width="70" height="26" fill={`var(--${token})`} /></svg>
          {token}<br /><span className="quiet">{style.getPropertyValue(`--${token}`).trim()}</span>
        </div>
      ))}
    </div>
  );
}
