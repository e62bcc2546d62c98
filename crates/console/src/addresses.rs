//! Where each page, form and stream of the console is, by what it is about.

use http::{Door, Method, Routes};

use crate::{
    Console, access_page, alert_page, alerts, answers, api_page, asset, audit_entry, audit_page, batches_page,
    callbacks_page, carrier_form, carrier_page, carriers_page, compose, config_page, entry_delete, entry_history,
    entry_page, exports_page, find, flows_page, group_form, group_page, groups_page, handsets, identities_page,
    import_page, integration_form, integration_page, integrations_page, invite_page, issuers_page, key_rotation, keys,
    live, message_page, messages_page, oauth_page, overview, password_page, provisioning_form, provisioning_page,
    provisioning_source, reset_page, role_form, route_form, routes_page, rules_page, run_page, runs_page, saml,
    saml_form, second_stage, security_page, settings, sign_in, signal_page, signals_page, smpp_form, smpp_page, sso,
    sso_form, sso_page, start, start_acts, stay, step_up, styleguide, unknown_page, user_acts, user_form, user_page,
    user_security, users_page, webhook_form, webhook_page, webhooks_page, you, zone_choice,
};

type Pages = Routes<Console>;

impl Console {
    /// Every page, form and stream.
    pub fn routes(self) -> Routes {
        let pages = [sign_in_and_out, watch, messages, people, configuration, own, handsets::routes, outside];
        pages.into_iter().fold(Pages::new(Door::Console), |routes, more| more(routes)).with_state(self)
    }
}

/// Signing in and out, first steps of an account, and what providers of identities call.
fn sign_in_and_out(routes: Pages) -> Pages {
    routes
        .public(Method::GET, "/", "sends the reader to their workspace, or to sign in", sign_in::home)
        .public(Method::GET, "/sign-in", "the page on which people prove who they are", sign_in::show)
        .public(Method::POST, "/sign-in", "the form with which people prove who they are", sign_in::sign_in)
        .public(Method::POST, "/sign-in/passkey", "people prove who they are with a passkey alone", sign_in::by_passkey)
        .public(
            Method::GET,
            "/sign-in/factor",
            "the page that asks somebody half way in for their second factor",
            second_stage::show,
        )
        .public(
            Method::POST,
            "/sign-in/factor",
            "the form with which somebody half way in proves their second factor",
            second_stage::prove,
        )
        .public(
            Method::POST,
            "/sign-in/give-up",
            "somebody half way in begins again, perhaps as somebody else",
            second_stage::give_up,
        )
        .public(
            Method::GET,
            "/sign-in/enrol",
            "somebody half way in sets up the second factor that a role of theirs must have",
            second_stage::show_enrol,
        )
        .public(
            Method::POST,
            "/sign-in/enrol",
            "somebody half way in sets up the second factor that a role of theirs must have",
            second_stage::enrol,
        )
        .post(http::STEP_UP, step_up::go_on)
        .fresh()
        .get("/stay", stay::show)
        .post("/sign-out", sign_in::sign_out)
        .public(
            Method::GET,
            "/sso/{provider}/begin",
            "people who sign in with an identity provider are sent there",
            sso::begin,
        )
        .public(
            Method::GET,
            "/sso/{provider}/callback",
            "an identity provider sends people back here; the answer proves who they are",
            sso::callback,
        )
        .public(
            Method::GET,
            "/sso/{provider}/metadata",
            "identity providers that speak SAML read here who we are to them",
            saml::metadata,
        )
        .public(
            Method::GET,
            "/sso/{provider}/request",
            "people who sign in with a provider that takes requests by POST alone are sent there",
            saml::request,
        )
        .public(
            Method::POST,
            "/sso/{provider}/acs",
            "an identity provider posts its answer here; the answer proves who somebody is",
            saml::acs,
        )
        .from_elsewhere(saml::REASON)
        .limit(saml::POSTED)
        .public(
            Method::GET,
            "/sso/{provider}/arrive",
            "people arrive here with an answer of their provider that was proven",
            saml::arrive,
        )
        .public(
            Method::GET,
            "/sso/{provider}/slo",
            "an identity provider signs people out here; its signed request proves it",
            saml::leave,
        )
        .public(
            Method::POST,
            "/sso/{provider}/slo",
            "an identity provider signs people out here; its signed request proves it",
            saml::leave_by_form,
        )
        .from_elsewhere(saml::REASON)
        .limit(saml::POSTED)
        .get("/sso/again", sso::again)
        .session_only()
        .public(Method::GET, sso::PROVEN, "says that a proof with an identity provider worked", sso::proven)
        .public(
            Method::GET,
            "/signed-out",
            "an identity provider sends people back here who signed out there",
            sso::signed_out,
        )
        .public(Method::GET, "/sso/start", "an identity provider begins a sign-on here", sso::start)
        .public(
            Method::GET,
            "/setup",
            "the first administrator is made here, with the one-time code",
            sign_in::show_setup,
        )
        .public(Method::POST, "/setup", "the first administrator is made here, with the one-time code", sign_in::set_up)
        .public(
            Method::GET,
            "/invite",
            "somebody who is invited chooses a password here, with their one-time link",
            invite_page::show,
        )
        .public(
            Method::POST,
            "/invite",
            "somebody who is invited chooses a password here, with their one-time link",
            invite_page::accept,
        )
        .public(Method::GET, "/forgot", "who forgot their password asks for a letter here", reset_page::ask)
        .public(Method::POST, "/forgot", "who forgot their password asks for a letter here", reset_page::asked)
        .public(
            Method::GET,
            "/reset",
            "a new password is chosen here, with the one-time link of a letter",
            reset_page::show,
        )
        .public(
            Method::POST,
            "/reset",
            "a new password is chosen here, with the one-time link of a letter",
            reset_page::set,
        )
}

/// What happens: alerts, signals, flows with their runs, and callbacks to applications.
fn watch(routes: Pages) -> Pages {
    routes
        .get("/w/{workspace}", overview::show)
        .get("/w/{workspace}/events", live::events)
        .get("/w/{workspace}/find", find::find)
        .get("/w/{workspace}/styleguide", styleguide::show)
        .post("/workspaces", start_acts::workspace)
        .get("/w/{workspace}/start", start::show)
        .post("/w/{workspace}/start/carrier", start_acts::carrier)
        .post("/w/{workspace}/start/phone", start_acts::phone)
        .post("/w/{workspace}/start/text", start_acts::text)
        .post("/w/{workspace}/start/signal", start_acts::signal)
        .get("/w/{workspace}/alerts", alerts::list)
        .get("/w/{workspace}/alerts/{alert}", alert_page::show)
        .post("/w/{workspace}/alerts/{alert}/acknowledge", answers::acknowledge)
        .post("/w/{workspace}/alerts/{alert}/pass-on", answers::pass_on)
        .post("/w/{workspace}/alerts/{alert}/resolve", answers::resolve)
        .post("/w/{workspace}/alerts/{alert}/undo", answers::undo)
        .get("/w/{workspace}/signals", signals_page::list)
        .get("/w/{workspace}/signals/{signal}", signal_page::show)
        .post("/w/{workspace}/signals/{signal}/payload", signal_page::reveal)
        .post("/w/{workspace}/signals/{signal}/replay", signal_page::replay)
        .get("/w/{workspace}/webhooks", webhooks_page::list)
        .get("/w/{workspace}/webhooks/new", webhook_form::new)
        .post("/w/{workspace}/webhooks/new", webhook_form::create)
        .shows_secret()
        .get("/w/{workspace}/webhooks/{webhook}", webhook_page::show)
        .get("/w/{workspace}/webhooks/{webhook}/edit", webhook_form::edit)
        .post("/w/{workspace}/webhooks/{webhook}/edit", webhook_form::save)
        .post("/w/{workspace}/webhooks/{webhook}/test", webhook_page::test)
        .post("/w/{workspace}/webhooks/{webhook}/ask", webhook_page::ask)
        .post("/w/{workspace}/webhooks/{webhook}/rotate", webhook_page::rotate)
        .shows_secret()
        .post("/w/{workspace}/webhooks/{webhook}/replay", webhook_page::replay)
        .get("/w/{workspace}/callbacks", callbacks_page::list)
        .get("/w/{workspace}/callbacks/{callback}", callbacks_page::show)
        .post("/w/{workspace}/callbacks/{callback}/replay", callbacks_page::replay)
        .get("/w/{workspace}/integrations", integrations_page::list)
        .get("/w/{workspace}/integrations/new", integration_form::new)
        .post("/w/{workspace}/integrations/new", integration_form::create)
        .session_only()
        .get("/w/{workspace}/integrations/{integration}", integration_page::show)
        .get("/w/{workspace}/integrations/{integration}/edit", integration_form::edit)
        .post("/w/{workspace}/integrations/{integration}/edit", integration_form::save)
        .session_only()
        .post("/w/{workspace}/integrations/{integration}/test", integration_page::test)
        .spared("sends a test signal, as anybody with its credential can, and changes no setting")
        .post("/w/{workspace}/integrations/{integration}/rotate", integration_page::rotate)
        .session_only()
        .post("/w/{workspace}/integrations/{integration}/retire", integration_page::retire)
        .get("/w/{workspace}/flows", flows_page::list)
        .get("/w/{workspace}/flows/{flow}", flows_page::show)
        .get("/w/{workspace}/runs", runs_page::list)
        .get("/w/{workspace}/runs/{run}", run_page::show)
        .post("/w/{workspace}/runs/{run}/value", run_page::reveal)
}

/// Texts with their batches and exports, carriers, and routes.
fn messages(routes: Pages) -> Pages {
    routes
        .get("/w/{workspace}/messages", messages_page::list)
        .get("/w/{workspace}/messages/new", compose::show)
        .post("/w/{workspace}/messages/new", compose::act)
        .get("/w/{workspace}/batches", batches_page::list)
        .get("/w/{workspace}/batches/{batch}", batches_page::show)
        .post("/w/{workspace}/batches/{batch}/cancel", batches_page::cancel)
        .get("/w/{workspace}/exports", exports_page::list)
        .post("/w/{workspace}/exports", exports_page::start)
        .fresh()
        .get("/w/{workspace}/exports/{export}/files/{file}", exports_page::file)
        .fresh()
        .post("/w/{workspace}/exports/{export}/delete", exports_page::delete)
        .get("/w/{workspace}/messages/{message}", message_page::show)
        .post("/w/{workspace}/messages/{message}/cancel", message_page::cancel)
        .post("/w/{workspace}/messages/{message}/erase", message_page::erase)
        .post("/w/{workspace}/messages/{message}/reveal", message_page::reveal)
        .post("/w/{workspace}/inbound/{inbound}/reveal", messages_page::reveal_inbound)
        .get("/w/{workspace}/unknown", unknown_page::list)
        .post("/w/{workspace}/unknown/decide", unknown_page::decide)
        .get("/w/{workspace}/carriers", carriers_page::list)
        .get("/w/{workspace}/carriers/new", carrier_form::new)
        .post("/w/{workspace}/carriers/new", carrier_form::create)
        .get("/w/{workspace}/carriers/{carrier}", carrier_page::show)
        .get("/w/{workspace}/carriers/{carrier}/edit", carrier_form::change)
        .post("/w/{workspace}/carriers/{carrier}/edit", carrier_form::save)
        .post("/w/{workspace}/carriers/{carrier}/pause", carrier_page::pause)
        .post("/w/{workspace}/carriers/{carrier}/resume", carrier_page::resume)
        .post("/w/{workspace}/carriers/{carrier}/reconnect", carrier_page::reconnect)
        .post("/w/{workspace}/carriers/{carrier}/test", carrier_page::test)
        .spared("asks a carrier whether it is there, and changes nothing")
        .get("/w/{workspace}/routes", routes_page::list)
        .post("/w/{workspace}/routes/explain", routes_page::explain)
        .get("/w/{workspace}/routes/new", route_form::new)
        .post("/w/{workspace}/routes/new", route_form::create)
        .get("/w/{workspace}/routes/{route}", route_form::change)
        .post("/w/{workspace}/routes/{route}", route_form::save)
}

/// People, groups, and where both come from.
fn people(routes: Pages) -> Pages {
    routes
        .get("/w/{workspace}/users", users_page::list)
        .get("/w/{workspace}/users/new", user_form::new)
        .post("/w/{workspace}/users/new", user_form::create)
        .get("/w/{workspace}/users/import", import_page::show)
        .post("/w/{workspace}/users/import", import_page::act)
        .limit(import_page::LIMIT)
        .get("/w/{workspace}/users/{user}", user_page::show)
        .get("/w/{workspace}/users/{user}/edit", user_form::change)
        .post("/w/{workspace}/users/{user}/edit", user_form::save)
        .post("/w/{workspace}/users/{user}/reveal", user_page::reveal)
        .session_only()
        .spared("shows one number for a minute, changes nothing, and is written to the audit log")
        .post("/w/{workspace}/users/{user}/invite", user_page::invite)
        .session_only()
        .post("/w/{workspace}/users/{user}/letter", user_page::letter)
        .session_only()
        .post("/w/{workspace}/users/{user}/unlock", user_acts::unlock)
        .session_only()
        .post("/w/{workspace}/users/{user}/expire", user_acts::expire)
        .session_only()
        .post("/w/{workspace}/users/{user}/sessions", user_page::end_sessions)
        .session_only()
        .post("/w/{workspace}/users/{user}/sessions/{session}/end", user_security::end_session)
        .session_only()
        .post("/w/{workspace}/users/{user}/factors/reset", user_security::reset)
        .session_only()
        .get("/w/{workspace}/users/{user}/identities", identities_page::show)
        .post("/w/{workspace}/users/{user}/identities/link", identities_page::link)
        .session_only()
        .post("/w/{workspace}/users/{user}/identities/unlink", identities_page::unlink)
        .session_only()
        .get("/w/{workspace}/sign-on", sso_page::list)
        .post("/w/{workspace}/sign-on", sso_page::rule)
        .session_only()
        .get("/w/{workspace}/sign-on/new", sso_form::new)
        .post("/w/{workspace}/sign-on/new", sso_form::create)
        .session_only()
        .get("/w/{workspace}/sign-on/new-saml", saml_form::new)
        .post("/w/{workspace}/sign-on/new-saml", saml_form::create)
        .session_only()
        .limit(saml_form::FORM)
        .get("/w/{workspace}/sign-on/{entry}/saml", saml_form::show)
        .post("/w/{workspace}/sign-on/{entry}/saml", saml_form::save)
        .session_only()
        .limit(saml_form::FORM)
        .post("/w/{workspace}/sign-on/{entry}/keys", saml_form::keys)
        .session_only()
        .get("/w/{workspace}/sign-on/{entry}", sso_form::change)
        .post("/w/{workspace}/sign-on/{entry}", sso_form::save)
        .session_only()
        .get("/w/{workspace}/provisioning", provisioning_page::list)
        .get("/w/{workspace}/provisioning/new", provisioning_form::new)
        .post("/w/{workspace}/provisioning/new", provisioning_form::create)
        .session_only()
        .get("/w/{workspace}/provisioning/{entry}", provisioning_source::show)
        .get("/w/{workspace}/provisioning/{entry}/edit", provisioning_form::change)
        .post("/w/{workspace}/provisioning/{entry}/edit", provisioning_form::save)
        .session_only()
        .post("/w/{workspace}/provisioning/{entry}/people", provisioning_source::hand_over)
        .session_only()
        .post("/w/{workspace}/provisioning/{entry}/people/{user}/release", provisioning_source::release)
        .session_only()
        .get("/w/{workspace}/groups", groups_page::list)
        .get("/w/{workspace}/groups/new", group_form::new)
        .post("/w/{workspace}/groups/new", group_form::create)
        .get("/w/{workspace}/groups/{group}", group_page::show)
        .get("/w/{workspace}/groups/{group}/edit", group_form::change)
        .post("/w/{workspace}/groups/{group}/edit", group_form::save)
}

/// Entries as text, settings and rules, programs, roles, and the audit log.
fn configuration(routes: Pages) -> Pages {
    routes
        .get("/w/{workspace}/config", config_page::index)
        .get("/w/{workspace}/config/{kind}", config_page::list)
        .get("/w/{workspace}/config/{kind}/new", entry_page::new)
        .post("/w/{workspace}/config/{kind}/new", entry_page::create)
        .limit(entry_page::TEXT_LIMIT)
        .get("/w/{workspace}/config/{kind}/{entry}", entry_page::show)
        .post("/w/{workspace}/config/{kind}/{entry}", entry_page::save)
        .limit(entry_page::TEXT_LIMIT)
        .post("/w/{workspace}/config/{kind}/{entry}/open", entry_page::open)
        .spared("shows one entry for a minute, changes nothing, and is written to the audit log")
        .get("/w/{workspace}/config/{kind}/{entry}/history", entry_history::history)
        .post("/w/{workspace}/config/{kind}/{entry}/restore", entry_history::restore)
        .get("/w/{workspace}/config/{kind}/{entry}/delete", entry_delete::ask_delete)
        .post("/w/{workspace}/config/{kind}/{entry}/delete", entry_delete::delete)
        .get("/w/{workspace}/settings", settings::show)
        .post("/w/{workspace}/settings", settings::save)
        .get("/w/{workspace}/keys", keys::list)
        .session_only()
        .post("/w/{workspace}/keys", keys::create)
        .session_only()
        .post("/w/{workspace}/keys/{key}/rotate", key_rotation::rotate)
        .session_only()
        .post("/w/{workspace}/keys/{key}/retire", key_rotation::retire)
        .session_only()
        .post("/w/{workspace}/keys/{key}/delete", keys::delete)
        .session_only()
        .get("/w/{workspace}/oauth", oauth_page::list)
        .session_only()
        .post("/w/{workspace}/oauth", oauth_page::create)
        .session_only()
        .post("/w/{workspace}/oauth/{client}/rotate", oauth_page::rotate)
        .session_only()
        .post("/w/{workspace}/oauth/{client}/retire", oauth_page::retire)
        .session_only()
        .post("/w/{workspace}/oauth/{client}/delete", oauth_page::delete)
        .session_only()
        .get("/w/{workspace}/issuers", issuers_page::list)
        .session_only()
        .get("/w/{workspace}/issuers/new", issuers_page::new)
        .session_only()
        .post("/w/{workspace}/issuers/new", issuers_page::create)
        .session_only()
        .get("/w/{workspace}/issuers/{issuer}", issuers_page::change)
        .session_only()
        .post("/w/{workspace}/issuers/{issuer}", issuers_page::save)
        .session_only()
        .post("/w/{workspace}/issuers/{issuer}/ask", issuers_page::ask)
        .session_only()
        .get("/w/{workspace}/smpp", smpp_page::list)
        .get("/w/{workspace}/smpp/new", smpp_form::new)
        .post("/w/{workspace}/smpp/new", smpp_form::create)
        .get("/w/{workspace}/smpp/{account}", smpp_page::show)
        .get("/w/{workspace}/smpp/{account}/edit", smpp_form::change)
        .post("/w/{workspace}/smpp/{account}/edit", smpp_form::save)
        .post("/w/{workspace}/smpp/{account}/rotate", smpp_page::rotate)
        .post("/w/{workspace}/smpp/{account}/disconnect", smpp_page::disconnect_all)
        .post("/w/{workspace}/smpp/{account}/binds/{bind}/disconnect", smpp_page::disconnect)
        .get("/w/{workspace}/access", access_page::show)
        .get("/w/{workspace}/roles/new", role_form::new)
        .post("/w/{workspace}/roles/new", role_form::create)
        .get("/w/{workspace}/roles/{role}", role_form::change)
        .post("/w/{workspace}/roles/{role}", role_form::save)
        .get("/w/{workspace}/audit", audit_page::list)
        .post("/w/{workspace}/audit/verify", audit_page::verify)
        .post("/w/{workspace}/audit/export", audit_entry::export)
        .fresh()
        .get("/w/{workspace}/audit/{entry}", audit_entry::show)
        .get("/w/{workspace}/api-docs", api_page::show)
        .get("/w/{workspace}/api-docs/{chapter}", api_page::chapter)
        .get("/w/{workspace}/sign-in-rules", rules_page::show)
        .post("/w/{workspace}/sign-in-rules", rules_page::save)
}

/// What belongs to the reader.
fn own(routes: Pages) -> Pages {
    routes
        .get("/w/{workspace}/you", you::show)
        .get("/w/{workspace}/you/identities", identities_page::own)
        .post("/w/{workspace}/you/identities/link", identities_page::link_own)
        .session_only()
        .fresh()
        .post("/w/{workspace}/you/identities/unlink", identities_page::unlink_own)
        .session_only()
        .fresh()
        .get("/w/{workspace}/you/password", password_page::show)
        .session_only()
        .post("/w/{workspace}/you/password", password_page::change)
        .session_only()
        .post("/w/{workspace}/you/appearance", you::appearance)
        .post("/w/{workspace}/you/zone", zone_choice::choose)
        .post("/w/{workspace}/you/shortcuts", you::shortcuts)
        .get("/w/{workspace}/you/security", security_page::show)
        .session_only()
        .get("/w/{workspace}/you/security/new", security_page::new)
        .session_only()
        .fresh()
        .post("/w/{workspace}/you/security/new", security_page::create)
        .session_only()
        .fresh()
        .post("/w/{workspace}/you/security/remove", security_page::remove)
        .session_only()
        .fresh()
        .post("/w/{workspace}/you/security/codes", security_page::codes)
        .session_only()
        .fresh()
        .shows_secret()
        .post("/w/{workspace}/you/security/codes/file", security_page::file)
        .session_only()
        .post("/w/{workspace}/you/security/sessions/{session}/end", security_page::end)
        .session_only()
        .post("/w/{workspace}/you/security/end-others", security_page::end_others)
        .session_only()
        .post("/w/{workspace}/you/token", you::token)
        .session_only()
        .fresh()
}

/// What strangers and their servers ask without a session.
fn outside(routes: Pages) -> Pages {
    routes
        .door(Door::Public)
        .public(Method::POST, "/sso/start", "an identity provider begins a sign-on here", sso::start_by_form)
        .accepts(&[http::ContentType::Form])
        .limit(8 * 1024)
        .public(
            Method::POST,
            "/sso/{provider}/back-channel-logout",
            "an identity provider says that it ended a session; its signed token proves it",
            sso::back_channel,
        )
        .accepts(&[http::ContentType::Form])
        .limit(16 * 1024)
        .public(Method::GET, "/assets/{name}", "style sheets, scripts and pictures are the same for everybody", asset)
}
