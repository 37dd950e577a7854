import { useTranslation } from "react-i18next";
import type { ListOrder } from "../api/types";
import { Select } from "./Select";
import { ORDERS } from "./useListView";

export function OrderSelect({ value, onChange }: { value: ListOrder; onChange: (next: ListOrder) => void }) {
  const { t } = useTranslation();
  return <Select label={t("order.label")} labelHidden value={value} onChange={onChange} options={ORDERS.map((id) => ({ id, label: t(`order.${id}`) }))} />;
}
