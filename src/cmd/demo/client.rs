//! GraphQL from the outside, as any client speaks it.

use serde_json::{Value, json};

use super::plant::Account;
use crate::failure::Failure;

pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    pub async fn sign_in(base: &str, account: &Account) -> Result<Self, Failure> {
        let http = reqwest::Client::new();
        let failed = |error: reqwest::Error| Failure::other("the server cannot be reached", &error);
        let body = json!({ "email": account.email, "password": account.password });
        let answer = http
            .post(format!("{base}/tokens"))
            .json(&body)
            .send()
            .await
            .map_err(failed)?;
        let answer: Value = answer.json().await.map_err(failed)?;
        let token = answer["token"].as_str().ok_or_else(|| {
            Failure::Other(format!(
                "the demo's account cannot sign in: {}; remove the demo's folder to begin anew",
                answer["error"].as_str().unwrap_or("no token")
            ))
        })?;
        Ok(Self {
            http,
            base: base.to_owned(),
            token: token.to_owned(),
        })
    }

    /// The data of an answer; the first error of it as a failure.
    pub async fn graphql(&self, query: &str, variables: Value) -> Result<Value, Failure> {
        let failed = |error: reqwest::Error| Failure::other("the server cannot be reached", &error);
        let answer = self
            .http
            .post(format!("{}/graphql", self.base))
            .bearer_auth(&self.token)
            .json(&json!({ "query": query, "variables": variables }))
            .send()
            .await
            .map_err(failed)?;
        let mut answer: Value = answer.json().await.map_err(failed)?;
        if let Some(message) = answer["errors"][0]["message"].as_str() {
            return Err(Failure::Other(format!("the server refuses: {message}")));
        }
        Ok(answer["data"].take())
    }
}
