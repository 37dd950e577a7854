import { useEffect } from "react";
import { Provider } from "urql";
import { client } from "./api/client";
import { SetUpPage } from "./entry/SetUpPage";
import { SignInPage } from "./entry/SignInPage";
import { setUpNeeded } from "./entry/setUp";
import { session, refreshSession } from "./lib/session";
import { useSignal } from "./lib/signal";
import { HatchPatterns } from "./parts/Hatch";
import { Shell } from "./shell/Shell";

export function App() {
  const who = useSignal(session);
  const needed = useSignal(setUpNeeded);
  const answers = useSignal(client);
  useEffect(() => void refreshSession(), []);
  return (
    <>
      <HatchPatterns />
      {who ? <Provider value={answers}><Shell key={who.email} /></Provider> : who === null && (needed ? <SetUpPage /> : <SignInPage />)}
    </>
  );
}
