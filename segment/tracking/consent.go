package tracking

import (
	"encoding/json"

	"github.com/aacflow/segment-blocks/rawjson"
)

// consentEvent is the one event whose consent object Segment itself checks, and discards the event for.
const consentEvent = "Segment Consent Preference Updated"

// checkConsent reports what Segment would discard a consent event for. context is what will be sent.
func checkConsent(context json.RawMessage, report func(pointer, code, text string, value json.RawMessage)) {
	const at = "/context/consent/categoryPreferences"
	if id, ok := rawjson.At(context, "/device/advertisingId"); ok && rawjson.KindOf(id) != rawjson.StringKind {
		report("/context/device/advertisingId", CodeAdvertisingID, "must be a string for this event", id)
	}
	if version, ok := rawjson.At(context, "/consent/version"); ok && rawjson.KindOf(version) != rawjson.NumberKind {
		report("/context/consent/version", CodeConsentVersion, "must be a number for this event", version)
	}
	preferences, _ := rawjson.At(context, "/consent/categoryPreferences")
	switch rawjson.KindOf(preferences) {
	case rawjson.ObjectKind:
	case rawjson.Invalid, rawjson.NullKind:
		report(at, CodeConsentMissing, "must be given for this event", nil)
	default:
		report(at, CodeConsentNotObject, "must be an object", preferences)
	}
	for _, m := range rawjson.OpenObject(preferences) {
		if rawjson.KindOf(m.Value) != rawjson.BooleanKind {
			report(rawjson.Pointer(at, m.Name), CodeConsentNotBool, "must be true or false", m.Value)
		}
	}
}
