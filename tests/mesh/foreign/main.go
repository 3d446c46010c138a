// A control plane that is not ours: go-control-plane, which most control planes of Envoy are built on. It gives what it
// reads, one state a line, and writes what proxies answer, one answer a line.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/redis_proxy/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	status "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// One line of the input.
type state struct {
	Node, Version                  string
	Listeners, Clusters, Endpoints []json.RawMessage
}

// One line of the output.
type answer struct {
	Type  string `json:"type"`
	Nonce string `json:"nonce"`
	Error string `json:"error"`
}

func read(written []json.RawMessage, empty func() proto.Message) []types.Resource {
	var resources []types.Resource
	for _, one := range written {
		message := empty()
		if err := protojson.Unmarshal(one, message); err != nil {
			log.Fatal(err)
		}
		resources = append(resources, message)
	}
	return resources
}

func tell(kind, nonce string, refused *status.Status) {
	line, _ := json.Marshal(answer{Type: kind, Nonce: nonce, Error: refused.GetMessage()})
	fmt.Println(string(line))
}

func main() {
	snapshots := cache.NewSnapshotCache(true, cache.IDHash{}, nil)
	callbacks := server.CallbackFuncs{
		StreamRequestFunc: func(_ int64, request *discovery.DiscoveryRequest) error {
			tell(request.GetTypeUrl(), request.GetResponseNonce(), request.GetErrorDetail())
			return nil
		},
		StreamDeltaRequestFunc: func(_ int64, request *discovery.DeltaDiscoveryRequest) error {
			tell(request.GetTypeUrl(), request.GetResponseNonce(), request.GetErrorDetail())
			return nil
		},
	}
	listening, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	serving := grpc.NewServer()
	ads := server.NewServer(context.Background(), snapshots, callbacks)
	discovery.RegisterAggregatedDiscoveryServiceServer(serving, ads)
	go func() { log.Fatal(serving.Serve(listening)) }()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var next state
		if err := json.Unmarshal(lines.Bytes(), &next); err != nil {
			log.Fatal(err)
		}
		snapshot, err := cache.NewSnapshot(next.Version, map[resource.Type][]types.Resource{
			resource.ListenerType: read(next.Listeners, func() proto.Message { return new(listener.Listener) }),
			resource.ClusterType:  read(next.Clusters, func() proto.Message { return new(cluster.Cluster) }),
			resource.EndpointType: read(next.Endpoints, func() proto.Message { return new(endpoint.ClusterLoadAssignment) }),
		})
		if err == nil {
			err = snapshots.SetSnapshot(context.Background(), next.Node, snapshot)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
}
