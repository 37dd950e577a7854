import { useState } from "react";
import { Button, Menu, MenuItem, MenuTrigger, Popover } from "react-aria-components";
import { useTranslation } from "react-i18next";
import { navigate, useAddress } from "../lib/router";
import { Icon } from "../parts/Icon";
import Person from "./Person";
import { isHere, type Place } from "./routes";

const PERSON = "person";

/** What has no tab of its own on a phone: the other pages, the person. */
export default function MoreTab({ places }: { places: readonly Place[] }) {
  const { t } = useTranslation();
  const { path } = useAddress();
  const [person, setPerson] = useState(false);
  return (
    <>
      <MenuTrigger>
        <Button className="tab-more" {...(places.some((place) => isHere(place, path)) ? { "data-here": "" } : {})}><span className="tab-icon"><Icon name="more" size={22} /></span>{t("nav.more")}</Button>
        <Popover className="popover" placement="top end">
          <Menu className="list-box" onAction={(to) => (to === PERSON ? setPerson(true) : navigate(String(to)))}>
            {places.map((place) => <MenuItem key={place.path} id={place.path} textValue={t(place.label)} className="list-item"><Icon name={place.icon} />{t(place.label)}</MenuItem>)}
            <MenuItem id={PERSON} textValue={t("nav.person")} className="list-item"><Icon name="pen" />{t("nav.person")}</MenuItem>
          </Menu>
        </Popover>
      </MenuTrigger>
      {person && <Person onClose={() => setPerson(false)} />}
    </>
  );
}
