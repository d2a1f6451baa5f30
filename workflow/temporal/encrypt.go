package temporal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"
)

const (
	encoding      = "binary/encrypted"
	encodingField = converter.MetadataEncoding
	keyField      = "encryption-key-id"
)

// Encrypt makes a client and its workers encrypt what they give to Temporal: arguments, results,
// answers to queries, memos and the texts of errors. Whoever starts a workflow needs the same keys
// as its workers. Ids, names of nodes and blocks, times and sizes stay readable.
//
// A key has 32 random bytes. The first key encrypts with AES-256-GCM, and all of them decrypt. To
// replace a key, first append the new one everywhere, then move it to the front. Data stored before
// there were keys stays readable.
func Encrypt(options *client.Options, keys ...[]byte) error {
	if len(keys) == 0 {
		return errors.New("encryption takes a key of 32 bytes")
	}
	var c codec
	for i, key := range keys {
		if len(key) != 32 {
			return fmt.Errorf("an encryption key must have 32 bytes; number %d has %d", i+1, len(key))
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(key)
		c = append(c, namedCipher{hex.EncodeToString(sum[:8]), aead})
	}
	options.DataConverter = converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), c)
	options.FailureConverter = temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter: options.DataConverter, EncodeCommonAttributes: true,
	})
	return nil
}

// codec encrypts with its first cipher.
type codec []namedCipher

type namedCipher struct {
	id string
	cipher.AEAD
}

// Encode encrypts payloads with their metadata, which includes the encoding.
func (c codec) Encode(payloads []*common.Payload) ([]*common.Payload, error) {
	encrypted := make([]*common.Payload, len(payloads))
	for i, p := range payloads {
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, err
		}
		encrypted[i] = &common.Payload{
			Metadata: map[string][]byte{encodingField: []byte(encoding), keyField: []byte(c[0].id)},
			Data:     c[0].Seal(nil, nil, plain, nil),
		}
	}
	return encrypted, nil
}

// Decode decrypts payloads, and leaves unencrypted ones as they are.
func (c codec) Decode(payloads []*common.Payload) ([]*common.Payload, error) {
	decrypted := make([]*common.Payload, len(payloads))
	for i, p := range payloads {
		decrypted[i] = p
		if string(p.Metadata[encodingField]) != encoding {
			continue
		}
		key, err := c.find(string(p.Metadata[keyField]))
		if err != nil {
			return nil, err
		}
		plain, err := key.Open(nil, nil, p.Data, nil)
		if err != nil {
			return nil, fmt.Errorf("decrypt a payload with the key %s: %w", key.id, err)
		}
		decrypted[i] = &common.Payload{}
		if err := proto.Unmarshal(plain, decrypted[i]); err != nil {
			return nil, err
		}
	}
	return decrypted, nil
}

func (c codec) find(id string) (namedCipher, error) {
	for _, key := range c {
		if key.id == id {
			return key, nil
		}
	}
	return namedCipher{}, fmt.Errorf("no encryption key has this id, add the key that encrypted the payload: %q", id)
}
