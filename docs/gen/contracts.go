package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aacflow/segment-blocks/registry"
	"github.com/aacflow/segment-blocks/schemas"
	"github.com/aacflow/segment-blocks/schemas/contract"
)

// contractsFolder has a folder for each block, with a file for each version of its contract.
const contractsFolder = "schemas/contracts"

// contracts returns the file of each block's contract. It fails if a contract differs from a
// published one in a way that the block's version does not allow.
func contracts(root string, list []registry.Block) (map[string][]byte, error) {
	// The error names all blocks that break a promise.
	files := map[string][]byte{}
	var errs []error
	for _, b := range list {
		now := contract.Of(b.Manifest())
		published, err := readContracts(filepath.Join(root, contractsFolder, now.ID))
		if err != nil {
			return nil, err
		}
		for _, before := range published {
			// A later major version is another promise.
			if schemas.VersionNumbers(before.Version)[0] <= b.Manifest().Major() {
				errs = append(errs, allowed(before, now))
			}
		}
		raw, err := json.Marshal(now)
		if err != nil {
			return nil, err
		}
		// The file of an earlier version stays, because hosts may still require that version.
		file := fmt.Sprintf("%s/%s/%s.json", contractsFolder, now.ID, now.Version)
		if files[file], err = indented(raw); err != nil {
			return nil, err
		}
	}
	return files, errors.Join(errs...)
}

// readContracts reads the contracts in a folder, which need not be there.
func readContracts(folder string) ([]contract.Contract, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	// A contract that cannot be read would let any change pass, so it is an error.
	var list []contract.Contract
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var c contract.Contract
		if err := json.Unmarshal(data, &c); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, c)
	}
	return list, nil
}

// allowed returns an error if a block has changed more than its version says. The contract of an
// unreleased version may be replaced; the error says how.
func allowed(before, now contract.Contract) error {
	d := contract.Compare(before, now)
	if d.Versioned {
		return nil
	}
	var lines []string
	for _, c := range d.Changes {
		lines = append(lines, fmt.Sprintf("  %s %s: %s", c.Part, c.Path, c.Message))
	}
	return fmt.Errorf("%s has changed since %s and needs the version %s; if %[2]s has not been released, remove "+
		"%[4]s/%[1]s/%[2]s.json instead and generate again:\n%[5]s",
		d.Block, d.Before, d.Needs, contractsFolder, strings.Join(lines, "\n"))
}
