// etcd-load puts values into etcd from several clients at once and says how many were answered, and how soon.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Clients that share one connection; etcd's own benchmark has ten clients on each.
const clientsPerConnection = 8

// What a put may take before the run counts as failed.
const putMax = 30 * time.Second

type load struct {
	endpoints    []string
	clients      int
	perSecond    float64
	valueBytes   int
	warmUp, span time.Duration
}

type measured struct {
	Writes   int     `json:"writes"`
	Seconds  float64 `json:"seconds"`
	PerSec   float64 `json:"per_s"`
	P50Ms    float64 `json:"p50_ms"`
	P99Ms    float64 `json:"p99_ms"`
	MaxMs    float64 `json:"max_ms"`
	CpuS     float64 `json:"client_cpu_s"`
	ValueLen int     `json:"bytes"`
}

func main() {
	var of load
	endpoints := flag.String("endpoints", "http://127.0.0.1:2379", "the members' client URLs, comma between")
	flag.IntVar(&of.clients, "clients", 1, "clients, each with one put under way at a time")
	flag.Float64Var(&of.perSecond, "per-second", 0, "puts a second of each client; 0: as soon as the last is answered")
	flag.IntVar(&of.valueBytes, "bytes", 512, "bytes of a value")
	flag.DurationVar(&of.warmUp, "warm-up", time.Second, "time before anything counts")
	flag.DurationVar(&of.span, "for", 5*time.Second, "time that counts")
	flag.Parse()
	of.endpoints = strings.Split(*endpoints, ",")
	found, err := of.run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcd-load:", err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(found)
}

func (of *load) run() (*measured, error) {
	// One connection belongs to one member, so that the clients are spread over all.
	perMember := (of.clients + clientsPerConnection*len(of.endpoints) - 1) / (clientsPerConnection * len(of.endpoints))
	var connections []*clientv3.Client
	for range perMember {
		for _, endpoint := range of.endpoints {
			connection, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: putMax})
			if err != nil {
				return nil, err
			}
			defer connection.Close()
			connections = append(connections, connection)
		}
	}
	begin := time.Now().Add(of.warmUp)
	end := begin.Add(of.span)
	var all []time.Duration
	var failed error
	var lock sync.Mutex
	var clients sync.WaitGroup
	for client := range of.clients {
		clients.Go(func() {
			times, err := of.client(client, connections[client%len(connections)], begin, end)
			lock.Lock()
			defer lock.Unlock()
			all = append(all, times...)
			if err != nil {
				failed = err
			}
		})
	}
	clients.Wait()
	if failed != nil {
		return nil, failed
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no put was answered within %v", of.span)
	}
	slices.Sort(all)
	at := func(perMille int) float64 {
		return all[min(len(all)*perMille/1000, len(all)-1)].Seconds() * 1000
	}
	seconds := of.span.Seconds()
	return &measured{
		Writes: len(all), Seconds: seconds, PerSec: float64(len(all)) / seconds,
		P50Ms: at(500), P99Ms: at(990), MaxMs: at(1000), CpuS: cpuSeconds(), ValueLen: of.valueBytes,
	}, nil
}

// client puts under keys of its own, one after the other, and gives the times of those answered between begin and end.
func (of *load) client(number int, connection *clientv3.Client, begin, end time.Time) ([]time.Duration, error) {
	value := make([]byte, of.valueBytes)
	_, _ = rand.Read(value)
	var times []time.Duration
	next := time.Now()
	for sequence := 0; ; sequence++ {
		if of.perSecond > 0 {
			time.Sleep(time.Until(next))
			next = next.Add(time.Duration(float64(time.Second) / of.perSecond))
		}
		if time.Now().After(end) {
			return times, nil
		}
		key := fmt.Sprintf("table/%d/%016d", number, sequence)
		// values differ, as leaves do
		copy(value, key)
		limited, cancel := context.WithTimeout(context.Background(), putMax)
		started := time.Now()
		_, err := connection.Put(limited, key, string(value))
		answered := time.Now()
		cancel()
		if err != nil {
			return nil, err
		}
		if answered.After(begin) && answered.Before(end) {
			times = append(times, answered.Sub(started))
		}
	}
}
