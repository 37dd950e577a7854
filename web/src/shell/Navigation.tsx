import { lazy, Suspense } from "react";
import { useTranslation } from "react-i18next";
import { tallyOf } from "../alarms/order";
import { book } from "../alarms/store";
import { Link, useAddress } from "../lib/router";
import { changePreferences, preferences } from "../lib/preferences";
import { useSignal } from "../lib/signal";
import { usePhone } from "../lib/usePhone";
import { Icon } from "../parts/Icon";
import { PaletteSwitch } from "./PaletteSwitch";
import { isHere, PLACES } from "./routes";

const GROUPS = ["operate", "reliability", "build", "system"] as const;

export function Navigation() {
  const { t } = useTranslation();
  const { path } = useAddress();
  const { alarms } = useSignal(book);
  const { foldNavigation } = useSignal(preferences);
  const unacknowledged = tallyOf(alarms).unacknowledged;
  return (
    <nav className="navigation" aria-label={t("nav.label")} data-folded={foldNavigation || undefined}>
      {GROUPS.map((group) => (
        <div key={group} className="nav-group">
          <h2 className="nav-title">{t(`nav.${group}`)}</h2>
          <ul>
            {PLACES.filter((place) => place.group === group).map((place) => (
              <li key={place.path}>
                <Link to={place.path} className="nav-link" aria-current={isHere(place, path) ? "page" : undefined} title={t(place.label)}>
                  <Icon name={place.icon} />
                  <span className="nav-text">{t(place.label)}</span>
                  {place.path === "/alarms" && unacknowledged > 0 && (
                    <span className="nav-count"><span aria-hidden="true">{unacknowledged}</span><span className="hidden-text">{t("nav.unacknowledged", { count: unacknowledged })}</span></span>
                  )}
                </Link>
              </li>
            ))}
          </ul>
        </div>
      ))}
      <div className="nav-foot">
        <button type="button" className="nav-fold" aria-pressed={foldNavigation} onClick={() => changePreferences({ foldNavigation: !foldNavigation })}>
          <Icon name={foldNavigation ? "right" : "more"} /><span className="nav-text">{t("nav.fold")}</span>
        </button>
        <PaletteSwitch />
      </div>
    </nav>
  );
}

const TABS = 4;
const MoreTab = lazy(() => import("./MoreTab"));

/** The tab bar of a phone; what does not fit stands behind the last tab. */
export function TabBar() {
  const { t } = useTranslation();
  const phone = usePhone();
  const { path } = useAddress();
  const { alarms } = useSignal(book);
  const unacknowledged = tallyOf(alarms).unacknowledged;
  if (!phone) return null;
  return (
    <nav className="tab-bar" aria-label={t("nav.label")}>
      {PLACES.slice(0, TABS).map((place) => (
        <Link key={place.path} to={place.path} aria-current={isHere(place, path) ? "page" : undefined}>
          <span className="tab-icon"><Icon name={place.icon} size={22} />{place.path === "/alarms" && unacknowledged > 0 && <b>{unacknowledged}</b>}</span>
          {t(place.label)}
        </Link>
      ))}
      <Suspense><MoreTab places={PLACES.slice(TABS)} /></Suspense>
    </nav>
  );
}
