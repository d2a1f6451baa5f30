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

// contractsFolder has a folder for each block, and in it a file for each version of its contract.
const contractsFolder = "schemas/contracts"

// contracts returns the file of each block's contract. It fails where a contract differs from one
// that is there already in a way that the block's version does not allow.
func contracts(root string, list []registry.Block) (map[string][]byte, error) {
	// All blocks that break a promise are named at once.
	files := map[string][]byte{}
	var errs []error
	for _, b := range list {
		now := contract.Of(b.Manifest())
		published, err := readContracts(filepath.Join(root, contractsFolder, now.ID))
		if err != nil {
			return nil, err
		}
		for _, before := range published {
			// A later major version is another contract.
			if schemas.VersionNumbers(before.Version)[0] <= b.Manifest().Major() {
				errs = append(errs, allowed(before, now))
			}
		}
		raw, err := json.Marshal(now)
		if err != nil {
			return nil, err
		}
		// The file of an earlier version stays: hosts may still be bound to it.
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

// allowed returns an error where a block has changed more than its version says. Whoever has
// changed a block that is not released yet publishes its contract again; the error says how.
func allowed(before, now contract.Contract) error {
	d := contract.Compare(before, now)
	if d.Versioned {
		return nil
	}
	var lines []string
	for _, c := range d.Changes {
		lines = append(lines, fmt.Sprintf("  %s %s: %s", c.Part, c.Path, c.Message))
	}
	return fmt.Errorf("%s has changed since %s and needs the version %s, or, if that has not been released, remove "+
		"%s/%s/%s.json and generate again:\n%s",
		d.Block, d.Before, d.Needs, contractsFolder, d.Block, d.Before, strings.Join(lines, "\n"))
}
