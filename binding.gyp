{
  # For tools that only know node-gyp. native/CMakeLists.txt is the build definition.
  "targets": [
    {
      "target_name": "hotspare",
      "type": "none",
      "actions": [
        {
          "action_name": "build_native",
          "inputs": ["native/CMakeLists.txt"],
          "outputs": ["build/native/Release/hotspare.node"],
          "action": ["npm", "run", "build:native"]
        }
      ]
    }
  ]
}
